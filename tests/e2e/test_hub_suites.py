"""The hub suites as they ship, run offline: every model is replaced by a tiny one of its class, saved in hub format."""

import json
import sys
from pathlib import Path

import pytest

from effbench.store import read_store

sys.path.insert(0, str(Path(__file__).parents[1] / "tasks"))
SUITES = Path(__file__).parents[2] / "suites" / "hub"

CASES = {
    "pixart-sigma": ("pixart-sigma-512", "PixArtSigmaPipeline", "*steps=5*", ["steps=6"]),
    "sdxl": ("sdxl-turbo-512", "StableDiffusionXLPipeline", "*steps=1*", ["height=16", "width=16", "steps=3"]),
    "dit": ("dit-xl-2-512", "DiTPipeline", "bf16", ["steps=2"]),
    "attention": ("pixart-sigma-1024", "PixArtSigmaPipeline", "*threshold=D4*", ["steps=3"]),
    "video": ("latte", "LattePipeline", "*steps=10*", ["steps=11"]),
}


def prompts_of(folder):
    """Write captions as COCO does, and rows as VBench does."""
    words = ["a red dog", "a cat on blue ground", "a star", "a blue dog moving left", "a cat", "a red star"]
    coco = {"annotations": [{"id": 7 * i, "image_id": i, "caption": words[i % 6]} for i in range(12)]}
    (folder / "captions.json").write_text(json.dumps(coco))
    (folder / "vbench.json").write_text(json.dumps([{"prompt_en": words[i % 6], "dimension": []} for i in range(12)]))


@pytest.mark.whole
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "sdxl" else pytest.mark.proof) for name in CASES]
)
def test_a_hub_suite_runs_offline_on_tiny_models(name, cli, monkeypatch):
    import tiny_pipelines

    task, cls, method, params = CASES[name]
    pipeline = tiny_pipelines.make(cls)
    variant = "fp16" if name == "sdxl" else None
    shards = "20KB" if name == "pixart-sigma" else "1GB"
    pipeline.save_pretrained(cli.cwd / "model", safe_serialization=True, variant=variant, max_shard_size=shards)
    prompts_of(cli.cwd)
    changes = [f"tasks.{task}.device=cpu", f"tasks.{task}.dtype=float32", f"tasks.{task}.with.system=model"]
    changes += [f"tasks.{task}.with.{change}" for change in params]
    if name != "video":
        changes += [f"tasks.{task}.with.scorers={{}}"]
    if name == "pixart-sigma":
        changes += [f"tasks.{task}.with.denoiser=model"]
    if name != "dit":
        file = "vbench.json" if name == "video" else "captions.json"
        changes += [f"tasks.{task}.with.prompts.source={file}", f"tasks.{task}.with.prompts.draw=5"]
    changes += [f"tasks.{task}.samples.limit=2", "measure.latency=null", "measure.inspect=false"]
    suite = keep_task(SUITES / f"{name}.yaml", task, cli.cwd)
    result = cli.on_own_core(
        "run", suite.name, "--store", "out", "--only", method, *[a for c in changes for a in ("--set", c)]
    )
    assert result.code == 0, result.err
    cells = {cell.method_id: cell for cell in read_store(cli.cwd / "out").cells}
    other = next(cell for key, cell in cells.items() if key != "reference")
    found = {number.name: number for number in other.numbers}
    assert found["ssim"].value is not None and found["parameter_mb"].value > 0
    assert cells["reference"].n_samples == 2
    if name == "video":
        assert found["warping_error"].value is not None
        assert found["prompt_accuracy"].reason == "unsupported"


def keep_task(file, task, folder):
    """Write the suite with one of its tasks alone: the others would ask the hub for their commits."""
    import yaml

    suite = yaml.safe_load(file.read_text())
    suite["tasks"] = [entry for entry in suite["tasks"] if entry["id"] == task]
    suite["methods"] = [{**m, "tasks": [task]} for m in suite["methods"] if task in m.get("tasks", [task])]
    assert suite["tasks"][0]["device"] == "cuda"
    path = folder / file.name
    path.write_text(yaml.safe_dump(suite))
    return path


@pytest.mark.parametrize("name", CASES)
def test_without_a_gpu_a_hub_suite_is_refused_in_one_sentence(name, cli):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    result = cli.on_own_core("run", str(SUITES / f"{name}.yaml"), "--store", "out")
    assert result.code == 2
    assert "there is no device 'cuda' on this machine" in result.err
    assert len(result.err.strip().splitlines()) == 1
