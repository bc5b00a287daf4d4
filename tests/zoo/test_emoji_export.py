"""Export round trips on tiny untrained models: what is written loads with the published classes and says the same."""

from copy import deepcopy

import numpy as np
import pytest
import torch
import yaml

from effbench import zoo
from effbench.zoo.emoji_judge.export import export
from effbench.zoo.emoji_judge.models import DualEncoder
from effbench.zoo.emoji_judge.scoring import ImageTextScorer, first_among, load_judge
from effbench.zoo.emoji_pixart.autoencoder import build_autoencoder
from effbench.zoo.emoji_pixart.models import build_text_encoder, build_transformer
from effbench.zoo.emoji_pixart.sampling import assemble, draw
from effbench.zoo.emoji_scenes.tokens import tokenizer
from effbench.zoo.flow import FlowDenoiser
from effbench.zoo.shipping import save_pipeline, write_card

PROMPTS = ("a dog on a blue ground", "a star above a red car")


@pytest.fixture(scope="module")
def pipeline():
    torch.manual_seed(0)
    denoiser = FlowDenoiser(build_text_encoder(16, layers=1), build_transformer(heads=1, layers=1, text_width=16))
    return assemble(denoiser, build_autoencoder(width=8))


def test_a_pipeline_comes_back_from_its_folder(pipeline, tmp_path):
    copy = assemble(
        FlowDenoiser(deepcopy(pipeline.text_encoder), deepcopy(pipeline.transformer)), deepcopy(pipeline.vae)
    )
    loaded = save_pipeline(copy, tmp_path)
    assert loaded.vae_scale_factor == 4
    for part in ("transformer", "text_encoder", "vae"):
        before, after = getattr(pipeline, part).state_dict(), getattr(loaded, part).state_dict()
        assert all(torch.equal(after[name], tensor.half().float()) for name, tensor in before.items())
    ours, theirs = (draw(p, PROMPTS, seed=1, steps=2) for p in (pipeline, loaded))
    assert ours.shape == (2, 3, 64, 64)
    assert torch.allclose(ours, theirs, atol=0.02)


def test_guidance_and_prompt_reach_the_image(pipeline):
    one, other, unguided = (
        draw(pipeline, [PROMPTS[0]], 1, 2),
        draw(pipeline, [PROMPTS[1]], 1, 2),
        draw(pipeline, [PROMPTS[0]], 1, 2, guidance=1.0),
    )
    assert not torch.equal(one, other) and not torch.equal(one, unguided)


def test_a_sample_does_not_depend_on_its_batch(pipeline):
    alone = torch.cat([draw(pipeline, [prompt], 1, 2) for prompt in PROMPTS])
    together = draw(pipeline, PROMPTS, 1, 2)
    assert torch.allclose(alone[0], together[0], atol=1e-5)


def test_a_judge_comes_back_from_its_folder(tmp_path):
    torch.manual_seed(0)
    encoder, real = DualEncoder(len(tokenizer())).eval(), torch.rand(4, 3, 64, 64)
    export(encoder, real, tmp_path)
    ours, theirs = ImageTextScorer(encoder, tokenizer()), load_judge(tmp_path)
    assert np.array_equal(ours.sentences(PROMPTS), theirs.sentences(PROMPTS))  # the encoder was rounded in place
    vectors, features = theirs.images(real)
    assert vectors.shape == features.shape == (4, 192)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_first_among_wants_the_right_sentence_strictly_first():
    sentences = np.eye(3)
    vectors = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    assert first_among(vectors, sentences, [[0, 1, 2], [1, 0, 2]]).tolist() == [True, False]


def test_the_card_covers_every_file(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "one.bin").write_bytes(b"abc")
    write_card(tmp_path, {"id": "zoo:toy"})
    card = yaml.safe_load((tmp_path / "card.yaml").read_text())
    assert card["bytes"] == 3 and list(card["sha256"]) == ["weights/one.bin"]
    zoo._check(tmp_path, tuple(card["sha256"].items()))
    (tmp_path / "weights" / "one.bin").write_bytes(b"abd")
    zoo._check.cache_clear()
    with pytest.raises(zoo.PluginError, match="sha256"):
        zoo._check(tmp_path, tuple(card["sha256"].items()))
