"""A folder in hub format that lacks anything its index names is refused before anything runs; no torch."""

import json
import shutil

import pytest

from effbench import zoo
from effbench.api import PluginError
from effbench.tasks.diffusion.folders import check_folder
from effbench.tasks.diffusion.images import ADAPTERS
from effbench.tasks.t2i.task import TextToImage

PARTS = ADAPTERS["PixArtSigmaPipeline"].parts


@pytest.fixture
def model(tmp_path):
    return shutil.copytree(zoo.find("zoo:digits-pixart").weights, tmp_path / "model")


def refused(model, variant=None, elsewhere=()):
    with pytest.raises(PluginError) as said:
        check_folder(model, variant, PARTS, elsewhere)
    assert "\n" not in str(said.value)
    return str(said.value)


def test_what_the_case_missing_tokenizer_did_is_refused_by_validate(model):
    shutil.rmtree(model / "tokenizer")
    with pytest.raises(PluginError, match=r"model has no folder 'tokenizer' that its model_index.json names$"):
        TextToImage(TextToImage.Params(system=str(model))).check()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("tokenizer/tokenizer.json", "tokenizer: holds no vocabulary: no tokenizer.json and no spiece.model"),
        ("tokenizer/tokenizer_config.json", "tokenizer: has no tokenizer_config.json"),
        ("scheduler/scheduler_config.json", "scheduler: has no scheduler_config.json"),
        ("text_encoder/config.json", "text_encoder: has no config.json"),
        ("text_encoder/model.safetensors", "text_encoder: holds no weights in safetensors (no model.safetensors)"),
        ("transformer/diffusion_pytorch_model.safetensors", "(no diffusion_pytorch_model.safetensors)"),
        ("vae/config.json", "vae: has no config.json"),
    ],
)
def test_every_file_that_a_component_needs_is_missed_by_name(model, file, said):
    (model / file).unlink()
    assert said in refused(model)


@pytest.mark.parametrize("part", PARTS)
def test_every_folder_is_missed_and_an_empty_one_is_no_better(model, part):
    shutil.rmtree(model / part)
    assert f"has no folder {part!r} that its model_index.json names" in refused(model)
    (model / part).mkdir()
    assert f"{part}: " in refused(model)
    (model / part).rename(model / part.upper())
    assert f"{part.upper()!r} is spelt in another case" in refused(model)
    shutil.rmtree(model / part.upper())
    (model / part).write_text("a file")
    assert f"has no folder {part!r}" in refused(model)


def test_files_that_are_not_what_their_name_says_are_refused(model):
    weights = model / "vae" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    for content in (b"", whole[:100], whole[:-1], whole + b"x", b"version https://git-lfs.github.com/spec/v1\noid x\n"):
        weights.write_bytes(content)
        assert f"{weights}: cannot be loaded" in refused(model)
    weights.rename(weights.with_name("weights.safetensors"))
    assert "weights.safetensors is not read" in refused(model)
    weights.write_bytes(whole)
    weights.with_name("weights.safetensors").unlink()
    check_folder(model, None, PARTS)
    (model / "tokenizer" / "tokenizer.json").write_text("{")
    assert "tokenizer.json: is not JSON" in refused(model)
    (model / "tokenizer" / "tokenizer.json").write_text("")
    assert "holds no vocabulary" in refused(model)


def test_the_index_must_name_what_the_class_needs_and_may_name_nothing(model):
    index = model / "model_index.json"
    facts = json.loads(index.read_text())
    index.write_text(json.dumps({**facts, "image_encoder": [None, None], "_note": ["x"], "is_distilled": False}))
    check_folder(model, None, PARTS)
    index.write_text(json.dumps({**facts, "tokenizer": [None, None]}))
    assert "names no 'tokenizer', which PixArtSigmaPipeline needs" in refused(model)
    index.write_text(json.dumps({name: value for name, value in facts.items() if name != "vae"}))
    assert "names no 'vae'" in refused(model)
    index.write_text(json.dumps({**facts, "vae": ["diffusers"]}))
    assert "expected library and class" in refused(model)
    index.write_text("[]")
    assert "not a diffusers folder" in refused(model)


def test_another_vocabulary_than_the_tokenizers_own_will_do(model):
    tokenizer = model / "tokenizer"
    (tokenizer / "tokenizer.json").rename(tokenizer / "spiece.model")
    check_folder(model, None, PARTS)
    index = model / "model_index.json"
    facts = json.loads(index.read_text())
    index.write_text(json.dumps({**facts, "tokenizer": ["transformers", "CLIPTokenizer"]}))
    (tokenizer / "vocab.json").write_text("{}")
    assert "no tokenizer.json and no vocab.json with merges.txt" in refused(model)
    (tokenizer / "merges.txt").write_text("#version: 0.2\n")
    check_folder(model, None, PARTS)


def test_a_denoiser_that_comes_from_elsewhere_need_not_be_there(model):
    shutil.rmtree(model / "transformer")
    check_folder(model, None, PARTS, elsewhere=("transformer", "unet"))
    assert "has no folder 'transformer'" in refused(model)
