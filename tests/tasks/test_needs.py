"""Room on the disk and in memory, from headers and from what the hub says; the hub itself is replaced."""

import json
import shutil
from types import SimpleNamespace

import pytest
import tiny_pipelines
import torch

from effbench.api import PluginError
from effbench.tasks.diffusion import needs, sources
from effbench.tasks.diffusion.images import ADAPTERS
from effbench.tasks.diffusion.sources import Source, commit_of, find, find_denoiser, load_pipeline

COMMIT = "c" * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pixart")
    tiny_pipelines.make("PixArtSigmaPipeline").save_pretrained(folder, safe_serialization=True)
    return folder


def parameters(pipeline):
    parts = [p for p in pipeline.components.values() if isinstance(p, torch.nn.Module)]
    return sum(t.numel() for part in parts for t in part.state_dict(keep_vars=True).values() if t.is_floating_point())


def test_weights_are_counted_from_their_headers(folder):
    count = parameters(tiny_pipelines.make("PixArtSigmaPipeline"))
    source = Source(str(folder), True, None)
    assert needs.weights_bytes(source, "float32") == pytest.approx(4 * count, rel=0.1)  # shared tensors are stored once
    assert needs.weights_bytes(source, "float16") == needs.weights_bytes(source, "float32") / 2


def hub(monkeypatch, files, sha=COMMIT, error=None):
    asked = []

    def model_info(self, name, revision, **_):
        asked.append((name, revision))
        if error:
            raise error
        siblings = [SimpleNamespace(rfilename=n, size=size) for n, size in files.items()]
        return SimpleNamespace(sha=sha, siblings=siblings)

    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    commit_of.cache_clear()
    return asked


def test_memory_that_is_too_small_is_refused_before_loading(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 8_000_000_000))
    with pytest.raises(PluginError, match=r"GB of GPU memory are needed in float16 .* free on cuda:0"):
        needs.check_memory(Source(str(folder), True, None), "cuda:0", "float16")
    needs.check_memory(Source(str(folder), True, None), "cpu", "float16")
    hub(monkeypatch, {"unet/diffusion_pytorch_model.safetensors": 8000, "unet/config.json": 5, "one.safetensors": 9999})
    source = Source("owner/name", False, COMMIT)
    assert needs.weights_bytes(source, "float16") == 4000 and needs.weights_bytes(source, "float32") == 8000
    with pytest.raises(PluginError, match=r"owner/name: about 0\.0 GB of GPU memory are needed"):
        needs.check_memory(source, "cuda:0", "float16")
    hub(monkeypatch, {}, error=OSError("no network"))
    needs.check_memory(source, "cuda:0", "float16")  # what is not known is not refused


FILES = {
    "model_index.json": 500,
    "all_in_one.safetensors": 10**15,
    "unet/config.json": 10,
    "unet/diffusion_pytorch_model.safetensors": 4 * 10**12,
    "unet/diffusion_pytorch_model.fp16.safetensors": 2 * 10**12,
    "unet/diffusion_pytorch_model.bin": 4 * 10**12,
    "vae/diffusion_pytorch_model.safetensors": 10**11,
}


@pytest.mark.parametrize(("variant", "said"), [(None, "4100.0 GB"), ("fp16", "2100.0 GB")])
def test_a_full_disk_is_refused_before_anything_is_fetched(monkeypatch, variant, said):
    hub(monkeypatch, FILES)
    with pytest.raises(PluginError, match=f"owner/name: {said} would be fetched"):
        needs.check_disk(Source("owner/name", False, COMMIT, variant))


def test_what_fits_or_cannot_be_asked_is_not_refused(monkeypatch, folder):
    hub(monkeypatch, {"unet/config.json": 10})
    needs.check_disk(Source("owner/name", False, COMMIT))
    hub(monkeypatch, {}, error=OSError("no network"))
    needs.check_disk(Source("owner/name", False, COMMIT))
    needs.check_disk(Source(str(folder), True, None))


def test_a_branch_becomes_the_commit_that_it_names(monkeypatch):
    asked = hub(monkeypatch, {})
    source = find("owner/name", "main", None, ADAPTERS)
    assert source.revision == COMMIT and source.identity() == f"hub:{COMMIT}"
    assert asked == [("owner/name", "main")]
    assert find("owner/name", "d" * 40, None, ADAPTERS).revision == "d" * 40 and len(asked) == 1
    hub(monkeypatch, {}, error=OSError("Revision not found\nsecond line"))
    with pytest.raises(PluginError, match="no commit for the revision 'nowhere': Revision not found second line"):
        find("owner/name", "nowhere", None, ADAPTERS)


def test_a_denoiser_that_is_kept_apart_replaces_the_systems_own(folder, tmp_path):
    shutil.copytree(folder / "transformer", tmp_path / "transformer")
    weights = tmp_path / "transformer" / "diffusion_pytorch_model.safetensors"
    from safetensors.torch import load_file, save_file

    save_file({n: t + 1 for n, t in load_file(weights).items()}, weights, metadata={"format": "pt"})
    base = find(str(folder), None, None, ADAPTERS)
    apart = Source(base.location, True, None, None, find_denoiser(str(tmp_path), None, None))
    one, other = (load_pipeline(s, "cpu", "float32", ADAPTERS) for s in (base, apart))
    assert torch.equal(other.transformer.proj_out.weight, one.transformer.proj_out.weight + 1)
    assert torch.equal(one.text_encoder.shared.weight, other.text_encoder.shared.weight)
    assert apart.identity() != base.identity() and apart.identity().startswith(base.identity())
    assert needs.weights_bytes(apart, "float32") == needs.weights_bytes(base, "float32")
    with pytest.raises(PluginError, match="neither a folder 'transformer' nor 'unet'"):
        find_denoiser(str(folder / "vae"), None, None)


def test_an_unreadable_index_of_shards_is_named(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    index = tmp_path / "model" / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"no": "map"}))
    with pytest.raises(PluginError, match="not a readable index of shards"):
        find(str(tmp_path / "model"), None, None, ADAPTERS)
    assert sources.denoiser_folder(folder).name == "transformer"
