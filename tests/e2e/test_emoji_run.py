"""The embedded emoji models through the command line: full rows, kept outputs with their prompts, cards that print."""

import pytest
from filelock import FileLock

from effbench.report.gallery import Gallery
from effbench.report.summarise import summarise_stores
from effbench.store import read_store

SUITE = """\
schema: effbench/suite/1
name: tiny-emoji
tasks:
  - id: emoji
    use: t2i
    with: {system: "zoo:emoji-pixart", prompts: emoji-held-out, steps: 2, guidance: 3.0}
    samples: {limit: 3}
    batch_size: 3
  - id: turbo
    use: t2i
    with: {system: "zoo:emoji-turbo", prompts: emoji-held-out, steps: 2, guidance: 1.0}
    samples: {limit: 3}
    batch_size: 3
  - id: classes
    use: t2i
    with: {system: "zoo:digits-dit", steps: 2}
    samples: {limit: 3}
    batch_size: 3
  - id: moving
    use: t2v
    with: {steps: 2}
    samples: {limit: 2}
    batch_size: 2
methods:
  - {id: reference, use: reference, role: reference}
  - {use: int8-dynamic}
measure: {latency: null, energy: "off", inspect: false}
stats: {resamples: 200}
output: {outputs: all}
"""

QUALITY = {
    "emoji": {"prompt_accuracy", "alignment", "kernel_distance", "frechet_distance"},
    "turbo": {"prompt_accuracy", "alignment", "kernel_distance", "frechet_distance"},
    "classes": {"prompt_accuracy", "kernel_distance", "frechet_distance"},
    "moving": {
        "prompt_accuracy", "object_accuracy", "direction_accuracy", "frame_alignment", "temporal_consistency",
        "warping_error", "flicker", "kernel_distance", "frechet_distance",
    },
}  # fmt: skip
FIDELITY = {"psnr_db", "ssim", "latent_error"}


@pytest.fixture(scope="module")
def store(shared, toy_plugin):
    import os

    from support import Cli

    folder = shared / "emoji-run"
    with FileLock(f"{folder}.lock"):  # two runs at once would fight for the cores
        if not folder.exists():
            folder.mkdir()
            cli = Cli(folder, {**os.environ, "PYTHONPATH": str(toy_plugin)})
            (folder / "suite.yaml").write_text(SUITE)
            result = cli.on_own_core("run", "suite.yaml", "--store", "out")
            assert result.code == 0, result.err
    return read_store(folder / "out")


@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("task", QUALITY)
def test_every_number_of_the_family_is_there(store, task):
    cells = {cell.method_id: {n.name: n for n in cell.numbers} for cell in store.cells if cell.task_id == task}
    quality = {name for name, number in cells["int8-dynamic"].items() if number.axis == "quality"}
    feature = {"feature_distance"} if task != "moving" else set()
    assert quality == QUALITY[task] | FIDELITY | feature
    assert all(cells["int8-dynamic"][name].value is not None for name in quality)
    assert all(cells["reference"][name].reason == "no_reference" for name in FIDELITY | feature)
    assert cells["int8-dynamic"]["psnr_db"].value > 20
    # Convolutions of a U-Net stay as they are, and so does what prepares DiT's conditions, a tenth of its weights.
    share = {"turbo": 0.8, "classes": 0.75}.get(task, 0.7)
    assert cells["int8-dynamic"]["parameter_mb"].value < share * cells["reference"]["parameter_mb"].value
    assert cells["reference"]["gflop_per_sample"].reason == "not_requested"


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_what_each_family_computes_is_counted(store):
    """An inspection takes as long as all else; that of the digits is in the default suite (test_t2i_run)."""
    import os

    from support import Cli

    cli = Cli(store.path.parent, {**os.environ})
    only = ["--only", "reference", "--set", "measure.inspect=true", "--set", "measure.memory=false"]
    result = cli.on_own_core("run", "suite.yaml", "--store", "counted", *only)
    assert result.code == 0, result.err
    for cell in read_store(cli.cwd / "counted").cells:
        assert {n.name: n.value for n in cell.numbers}["gflop_per_sample"] > 0.1, cell.task_id


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_kept_pictures_come_with_their_prompts(store):
    workloads = {workload.title: Gallery(workload) for workload in summarise_stores([store]).workloads}
    shown = workloads["emoji"].show(workloads["emoji"].keys[:1], ["reference", "int8-dynamic"])[0]
    assert " on a " in shown.caption or shown.caption.startswith("a")
    seen = [frames.shape for preview in shown.previews.values() for frames in preview.pictures.values()]
    assert seen == [(1, 64, 64, 3)] * 2
    video = workloads["moving"].show(workloads["moving"].keys[:1], ["reference"])[0]
    (frames,) = video.previews["reference"].pictures.values()
    assert " moving " in video.caption and frames.shape == (8, 32, 32, 3)


@pytest.mark.parametrize(
    "name",
    [
        "digits-dit",
        "digits-pixart",
        "emoji-judge",
        "emoji-pixart",
        "emoji-pixart-outliers",
        "emoji-turbo",
        "emoji-turbo-bos",
        "moving-emoji-judge",
        "moving-emoji-latte",
    ],
)
def test_every_embedded_model_describes_itself_and_is_small(name, cli):
    import yaml

    from effbench import zoo

    said = cli("describe", f"zoo:{name}")
    assert said.code == 0 and said.out.startswith(f"# zoo:{name}") and "Licence" in said.out
    model = zoo.find(f"zoo:{name}")
    assert model.card["bytes"] <= (16e6 if name == "moving-emoji-latte" else 12e6)  # its card says why it is larger
    made_by = {"derived_from", "planted"} if "derived_from" in model.card else {"curve"}
    assert {"id", "licence", "data", "recipe", "seed", "sha256", *made_by} <= set(model.card)
    assert yaml.safe_load((model.folder / "card.yaml").read_text()) == model.card
    configs = list((model.folder / "weights").rglob("*.json"))
    assert not any("_name_or_path" in config.read_text() for config in configs)  # a path of the exporting machine
    if model.weights.is_dir():
        assert (
            model.folder / "samples.png"
        ).is_file() or "derived_from" in model.card  # it draws what the original draws
        assert not list(model.folder.rglob("*.bin")) and not list(model.folder.rglob("*.pt"))
