"""Prompts that would not reach the model as what they are, whatever files the tokenizer came from."""

import pytest
import tiny_pipelines

from effbench.api import PluginError, Sample
from effbench.tasks.diffusion.tokens import check_tokens


@pytest.fixture(scope="module")
def words():
    """Return a tokenizer of whole words, for which others are unknown, and its encoder."""
    return tiny_pipelines.clip(16, projected=False)


def check(pair, *prompts, longest=12):
    check_tokens(*pair, [Sample(f"p{i}", {"prompt": prompt}) for i, prompt in enumerate(prompts)], longest)


def refused(pair, *prompts):
    with pytest.raises(PluginError) as said:
        check(pair, *prompts)
    return str(said.value)


def test_a_tokenizer_made_of_nothing_is_refused_though_it_loads(tmp_path):
    """The case missing-tokenizer, past the check of files: what the library makes of an empty folder."""
    from transformers import T5Tokenizer

    _, encoder = tiny_pipelines.t5()
    assert "belong to different models" in refused((T5Tokenizer(), encoder), "a dog", "a cat")


def test_prompts_become_tokens_and_different_prompts_different_ones(words):
    check(words, "a dog", "a cat", "a dog")
    assert "prompt 'p1': the tokenizer makes unknown tokens alone of 'zebra'" in refused(words, "a dog", "zebra")
    assert "prompts 'p0' and 'p2': the tokenizer makes the same tokens of both" in refused(
        words, "a lion on ground", "a cat", "a zebra on ground"
    )


def test_what_a_tokenizer_drops_by_design_is_no_fault(words):
    tokenizer, encoder = words
    lower = lambda prompts, **how: tokenizer([" ".join(p.lower().split()) for p in prompts], **how)  # noqa: E731
    lower = type("Lower", (), {"__call__": staticmethod(lower), "__getattr__": lambda _, n: getattr(tokenizer, n)})()
    check((lower, encoder), "a dog", "A  Dog", "a cat")


def test_one_double_in_a_long_list_is_the_published_tokenizers_own(words):
    prompts = [f"{a} {b} {c}" for a in tiny_pipelines.WORDS for b in tiny_pipelines.WORDS for c in ("dog", "cat")]
    check(words, *prompts, "a lion", "a zebra")
    assert "4 of 247" in refused(words, *prompts, "a lion", "a zebra", "a gnu", "a yak", "a tit")


def test_a_tokenizer_of_another_model_is_refused(words):
    _, encoder = tiny_pipelines.t5()
    assert "the tokenizer knows 14 tokens" in refused((words[0], encoder), "a dog", "a cat")
    tokenizer, _ = tiny_pipelines.t5()
    assert "belong to different models" in refused((tokenizer, words[1]), "a dog", "a cat")


def test_a_long_prompt_is_refused_unless_it_may_be_cut(words):
    long = " ".join(["dog"] * 20)
    assert "prompt 'p1': has 22 tokens and the text encoder takes 12" in refused(words, "a dog", long)
    check(words, "a dog", long, longest=None)
