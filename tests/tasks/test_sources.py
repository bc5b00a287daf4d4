"""Folders in hub format: whole, in shards, as fp16 variant, and everything that can be wrong with them; no network."""

import json
from types import SimpleNamespace

import pytest
import tiny_pipelines
import torch

from effbench import zoo
from effbench.api import Context, PluginError
from effbench.tasks.diffusion.images import ADAPTERS
from effbench.tasks.diffusion.sources import Source, find, load_pipeline
from effbench.tasks.t2i.task import TextToImage
from effbench.tasks.t2v.task import TextToVideo

CLASSES = ("PixArtSigmaPipeline", "StableDiffusionXLPipeline", "DiTPipeline")


def saved(folder, name="PixArtSigmaPipeline", **how):
    pipeline = tiny_pipelines.make(name)
    pipeline.save_pretrained(folder, safe_serialization=True, **how)
    return pipeline


def load(folder, dtype="float32", variant=None):
    return load_pipeline(find(str(folder), None, variant, ADAPTERS), "cpu", dtype, ADAPTERS)


def same_weights(one, other):
    a, b = one.transformer.state_dict(), other.transformer.state_dict()
    return all(torch.equal(a[name], b[name].to(a[name].dtype)) for name in a)


@pytest.mark.parametrize("name", CLASSES)
def test_a_folder_comes_back_as_its_own_class(name, tmp_path):
    pipeline = saved(tmp_path, name)
    loaded = load(tmp_path)
    assert type(loaded) is type(pipeline)
    part = "unet" if name.startswith("Stable") else "transformer"
    before, after = getattr(pipeline, part).state_dict(), getattr(loaded, part).state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_shards_are_put_together_and_a_missing_one_is_named(tmp_path):
    pipeline = saved(tmp_path, max_shard_size="20KB")
    shards = sorted((tmp_path / "transformer").glob("*-of-*.safetensors"))
    assert len(shards) > 1
    assert same_weights(pipeline, load(tmp_path))
    shards[1].unlink()
    with pytest.raises(PluginError, match=rf"1 of {len(shards)} shards are missing, the first is {shards[1].name}"):
        load(tmp_path)


def test_a_variant_is_loaded_by_name_only(tmp_path):
    pipeline = tiny_pipelines.make("PixArtSigmaPipeline").to(torch.float16)
    pipeline.save_pretrained(tmp_path, safe_serialization=True, variant="fp16")
    with pytest.raises(PluginError, match="variant fp16 only; set variant"):
        load(tmp_path)
    loaded = load(tmp_path, variant="fp16")
    assert loaded.transformer.dtype == torch.float32
    assert same_weights(pipeline, loaded)


def test_pickled_weights_are_never_read(tmp_path):
    pipeline = saved(tmp_path)
    (tmp_path / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save(pipeline.transformer.state_dict(), tmp_path / "transformer" / "diffusion_pytorch_model.bin")
    with pytest.raises(
        PluginError, match=r"holds no weights in safetensors .*; diffusion_pytorch_model.bin is not read"
    ):
        load(tmp_path)


@pytest.mark.parametrize(
    ("part", "file"),
    [("text_encoder", "model"), ("transformer", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model")],
)
def test_weights_that_a_file_lacks_are_never_drawn_at_random(part, file, tmp_path):
    from safetensors.torch import load_file, save_file

    saved(tmp_path)
    weights = tmp_path / part / f"{file}.safetensors"
    tensors = load_file(weights)
    lost = next(name for name, tensor in tensors.items() if tensor.dim() > 1)
    save_file({n: t for n, t in tensors.items() if n != lost}, weights, metadata={"format": "pt"})
    with pytest.raises(
        PluginError, match=f"cannot be loaded: the weights of {part!r} lack 1 tensors?, the first is {lost}"
    ):
        load(tmp_path)


def test_a_broken_file_is_one_sentence(tmp_path):
    saved(tmp_path)
    weights = tmp_path / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(PluginError, match="cannot be loaded") as refused:
        load(tmp_path)
    assert "\n" not in str(refused.value)


def test_json_of_another_form_is_one_sentence(tmp_path):
    saved(tmp_path)
    (tmp_path / "tokenizer" / "tokenizer.json").write_text('{"a": 1}')
    with pytest.raises(PluginError, match="cannot be loaded: a file holds another form than its class reads") as said:
        load(tmp_path)
    assert "\n" not in str(said.value)


def test_an_unsupported_class_names_the_supported_ones(tmp_path):
    saved(tmp_path)
    index = tmp_path / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "_class_name": "FluxPipeline"}))
    with pytest.raises(PluginError, match=r"FluxPipeline is not supported; supported: .*DiTPipeline"):
        find(str(tmp_path), None, None, ADAPTERS)


def test_an_image_model_is_no_video_model(tmp_path):
    saved(tmp_path)
    with pytest.raises(PluginError, match="supported: LattePipeline"):
        TextToVideo(TextToVideo.Params(system=str(tmp_path), prompts="emoji")).check()


def test_changed_weights_of_an_embedded_model_are_refused(tmp_path, monkeypatch):
    import shutil

    shutil.copytree(zoo.ROOT / "digits_pixart", tmp_path / "digits_pixart")
    monkeypatch.setattr(zoo, "ROOT", tmp_path)
    zoo._check.cache_clear()
    file = tmp_path / "digits_pixart" / "weights" / "pipeline" / "transformer" / "config.json"
    file.write_text(file.read_text() + " ")
    with pytest.raises(PluginError, match="sha256"):
        find("zoo:digits-pixart", None, None, ADAPTERS)
    zoo._check.cache_clear()


def hub_cache(root, monkeypatch):
    """Put a tiny pipeline into a hub cache, as the library lays it out, and cut the network."""
    from huggingface_hub import constants

    commit, repo = "a" * 40, root / "models--owner--tiny"
    saved(repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for module in ("diffusers.utils.constants", "diffusers.utils"):
        monkeypatch.setattr(f"{module}.HUGGINGFACE_HUB_CACHE", str(root), raising=False)
        monkeypatch.setattr(f"{module}.HF_HUB_CACHE", str(root), raising=False)
    return commit


def test_a_hub_id_with_its_commit_loads_from_the_cache_and_a_wrong_one_is_refused(tmp_path, monkeypatch):
    commit = hub_cache(tmp_path, monkeypatch)
    source = find("owner/tiny", commit, None, ADAPTERS)
    assert source == Source("owner/tiny", False, commit) and source.identity() == f"hub:{commit}"
    assert type(load_pipeline(source, "cpu", "float32", ADAPTERS)).__name__ == "PixArtSigmaPipeline"
    with pytest.raises(PluginError, match="owner/tiny: cannot be loaded"):
        load_pipeline(find("owner/tiny", "b" * 40, None, ADAPTERS), "cpu", "float32", ADAPTERS)
    with pytest.raises(PluginError, match="needs its revision"):
        find("owner/tiny", None, None, ADAPTERS)


def system_of(folder, task=TextToImage, **params):
    instance = task(
        task.Params(system=str(folder), judge="zoo:digits-pixart" if task is TextToImage else None, **params)
    )
    return instance.load(Context())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pixart")
    saved(folder)
    return folder


def test_sizes_must_suit_the_patches(folder):
    assert [system_of(folder, height=h, long_prompts="cut").height for h in (24, None)] == [24, 16]
    with pytest.raises(PluginError, match="width 18: must be a multiple of 4; the nearest is 16"):
        system_of(folder, width=18)


def test_a_prompt_that_is_too_long_is_refused_or_cut(folder, tmp_path):
    prompts = tmp_path / "long.txt"
    prompts.write_text("a red dog\na cat\n" + "a dog " * 20 + "\n")
    with pytest.raises(PluginError, match=r"prompt 'long-00003': has 41 tokens and the text encoder takes 16"):
        system_of(folder, prompts=str(prompts))
    assert system_of(folder, prompts=str(prompts), long_prompts="cut").max_sequence_length == 16


def test_a_class_conditional_model_needs_labels_and_its_own_size(tmp_path):
    saved(tmp_path / "dit", "DiTPipeline")
    (tmp_path / "words.txt").write_text("a\nb\nc\n")
    with pytest.raises(PluginError, match="DiTPipeline needs a label"):
        system_of(tmp_path / "dit", prompts=str(tmp_path / "words.txt"))
    with pytest.raises(PluginError, match="makes 16x16 pixels only"):
        system_of(tmp_path / "dit", height=24)
    assert system_of(tmp_path / "dit").width == 16


@pytest.mark.parametrize(
    ("name", "frames", "said"),
    [
        ("LattePipeline", 5, "LattePipeline makes 3 frames only"),
        ("CogVideoXPipeline", 8, "must be 1 more than a multiple of 4; the nearest is 9"),
    ],
)
def test_frames_must_suit_the_model(name, frames, said):
    task = TextToVideo(TextToVideo.Params(frames=frames))
    adapter = task.adapters[name]()
    with pytest.raises(PluginError, match=said):
        task.frames_of(adapter, tiny_pipelines.make(name))
    own = TextToVideo(TextToVideo.Params())
    assert own.frames_of(adapter, tiny_pipelines.make(name)) in (3, 9)


def test_no_steps_are_no_parameters():
    with pytest.raises(ValueError, match="steps"):
        TextToImage.Params(steps=0)


def test_a_judge_is_no_system(monkeypatch):
    monkeypatch.setattr(zoo, "find", lambda name: SimpleNamespace(weights=zoo.ROOT / "nowhere"))
    with pytest.raises(PluginError, match="makes none"):
        find("zoo:some-judge", None, None, ADAPTERS)
