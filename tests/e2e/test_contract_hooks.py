"""Every hook of the contract, used by a third-party package: trainings, groups, slices, thresholds, probes, previews."""

import json
import random
import subprocess
import sys

import numpy as np
import pytest

from effbench.artifacts import read_artifact
from effbench.inside import root_of
from effbench.parts import KeptOutputs, read_parts
from effbench.store import SAMPLE_KEY, TIMING_KEY, CellFolder, read_store

SUITE = """\
schema: effbench/suite/1
name: spoof
tasks:
  - {{use: toy-spoof}}
methods:
  - {{use: reference, role: reference}}
  - {method}
seeds: {seeds}
measure: {{latency: {latency}, memory: false, inspect: false, flops: false}}
stats: {{resamples: 200}}
execution: {{timeout_s: {timeout}}}
"""


def suite_of(method, seeds=(0,), latency="null", timeout=30):
    return SUITE.format(method=method, seeds=list(seeds), latency=latency, timeout=timeout)


def cells_of(store):
    return {cell.method_id: cell for cell in read_store(store).cells}


def number(cell, name):
    return next(n for n in cell.numbers if n.name == name)


@pytest.fixture
def ran(cli, write_suite):
    """Return the folder of a store with three trainings, timed in three rounds."""
    text = suite_of("{use: toy-trained}", seeds=[0, 1, 2], latency="{rounds: 3, budget_s: 0.1}")
    done = cli("run", write_suite(text), "--store", "store")
    assert done.code == 0, done.err
    return cli.cwd / "store"


WITHOUT_PLUGINS = """
import json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("effbench_toyplugin", "effbench_baselines", "torch") or name.startswith("effbench.tasks"):
            raise ImportError(name + " is not installed here")
sys.meta_path.insert(0, Blocked())
from pathlib import Path
from effbench.numbers.record import recomputed_cell
from effbench.store import CellFolder
for path in sorted(Path(sys.argv[1], "cells").iterdir()):
    assert recomputed_cell(path).model_dump_json() == CellFolder(path).record().model_dump_json(), path
    print(path.name)
assert not any(name.startswith(("effbench_toyplugin", "effbench_baselines", "effbench.tasks")) for name in sys.modules)
"""


def test_one_run_uses_every_hook_and_is_recomputed_without_the_plugins(ran, cli):
    cells = cells_of(ran)
    trained = cells["toy-trained"]
    folder = CellFolder(ran / "cells" / trained.id)

    assert (trained.status, trained.n_samples, trained.n_groups, trained.trainings) == ("complete", 72, 12, (0, 1, 2))
    artifacts = [read_artifact(folder.artifact_of(seed), root_of(ran))[0][0] for seed in (0, 1, 2)]
    weights = [link.artifact.tensors["weights"] for link in artifacts]
    assert not np.array_equal(weights[0], weights[1]) and not np.array_equal(weights[1], weights[2])
    assert all(link.settings == {"scale": 1.0} and link.method == "toy-trained" for link in artifacts)

    rate, per_print = number(trained, "error_rate"), number(trained, "error_rate[species=print]")
    assert (rate.n, rate.units, per_print.slice) == (12, "groups", "species=print")
    assert rate.ci_method.endswith("_and_trainings") and rate.ci_low < rate.value < rate.ci_high
    fact = number(trained, "labels_used")
    assert (fact.axis, fact.value, fact.ci_method, number(trained, "parameters").value) == ("facts", 24, "computed", 4)
    largest = number(trained, "largest_weight")  # of every training another: the mean, not that of the first
    assert (largest.value, largest.n) == (pytest.approx(np.mean([one.max() for one in weights])), 3)
    whole = number(trained, "preparation_whole_s")
    assert whole.value == pytest.approx(number(trained, "preparation_s").value + 48) and whole.axis == "preparation"

    rows = read_parts(folder.samples, SAMPLE_KEY)
    frozen = dict(zip(rows["seed"].to_pylist(), rows["threshold.attack_score"].to_pylist()))
    assert frozen == {seed: folder.read_thresholds(seed)["attack_score"] for seed in (0, 1, 2)}
    assert len(set(frozen.values())) == 3, "every training has a threshold of its own"
    assert set(rows["slice.species"].to_pylist()) == {"real", "print", "replay"}

    timings = read_parts(folder.timings, TIMING_KEY)
    assert set(timings["item"].to_pylist()) == {0, 1}
    assert number(trained, "speedup").ci_method == "t_log_ratio_of_rounds_and_items"

    reference = CellFolder(ran / "cells" / cells["reference"].id)
    kept, shown = KeptOutputs(reference.outputs), KeptOutputs(reference.previews)
    sample = rows["sample_id"][0].as_py()
    assert set(kept.batch([sample], 0)[0]) == {"score"}, "what keep leaves, and no features"
    picture = shown.batch([sample], 0)[0]["features"]
    assert picture.dtype == np.uint8 and picture.shape[1:] == (4, 3)

    command = [sys.executable, "-c", WITHOUT_PLUGINS, str(ran)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 2
    assert cli("run", "suite.yaml", "--store", "store").code == 0
    assert cells_of(ran) == cells, "nothing was left to do"

    # As a kill after the last batch leaves it: no training has rows to make.
    for file in ("jobs/quality.json", "cell.json"):
        (folder.path / file).unlink()
    assert cli("run", "suite.yaml", "--store", "store").code == 0
    again = cells_of(ran)["toy-trained"]
    assert [n for n in again.numbers if n.axis == "facts"] == [n for n in trained.numbers if n.axis == "facts"]


def test_a_number_that_was_changed_by_hand_is_seen(ran):
    from effbench.numbers.record import recomputed_cell

    path = ran / "cells" / cells_of(ran)["toy-trained"].id
    record = json.loads((path / "cell.json").read_text())
    next(n for n in record["numbers"] if n["name"] == "error_rate")["value"] = 0.0
    (path / "cell.json").write_text(json.dumps(record))
    assert (
        number(recomputed_cell(path), "error_rate").value > 0 == number(CellFolder(path).record(), "error_rate").value
    )


def test_one_training_says_so(cli, write_suite):
    assert cli("run", write_suite(suite_of("{use: toy-trained}")), "--store", "store").code == 0
    trained = cells_of(cli.cwd / "store")["toy-trained"]
    assert trained.trainings == (0,)
    assert all("one_training" in n.flags for n in trained.numbers if n.axis == "quality")


EPOCHS = 40


@pytest.mark.whole
def test_a_killed_preparation_goes_on_where_it_was(cli, write_suite, tmp_path):
    """Twenty cells, each killed once before another epoch: all end with the artifact of the undisturbed one."""
    deaths = sorted(random.Random(0).sample(range(1, EPOCHS), 20))
    (tmp_path / "deaths").mkdir()
    cli.env["TOY_DEATHS"] = str(tmp_path / "deaths")
    text = suite_of(f"{{use: toy-trained, with: {{epochs: {EPOCHS}}}, matrix: {{die_at: {[0, *deaths]}}}}}")
    done = cli("run", write_suite(text), "--store", "store")
    assert done.code == 0, done.err
    cells = cells_of(cli.cwd / "store")
    found = {}
    for name, cell in cells.items():
        if name == "reference":
            continue
        folder = CellFolder(cli.cwd / "store" / "cells" / cell.id)
        found[name] = read_artifact(folder.artifact_of(0), folder.root)[0][0].artifact.tensors["weights"]
        log = (folder.path / "log.txt").read_text()
        begun = [int(line.split()[1]) for line in log.splitlines() if line.startswith("begins ")]
        die_at = int(name.removeprefix("toy-trained(die_at=").removesuffix(")"))
        assert begun == ([0, die_at // 5 * 5] if die_at else [0]), (name, begun)
        tries = [(a.status, a.reason) for a in cell.attempts if a.job == "prepare-s0"]
        assert tries == ([("failed", "signal")] if die_at else []) + [("done", None)]
        assert not (folder.path / "work" / "prepare-s0").exists()
    assert all(np.array_equal(weights, found["toy-trained(die_at=0)"]) for weights in found.values())
    assert len(list((tmp_path / "deaths").iterdir())) == 20


@pytest.mark.parametrize("reports, code", [("true", 0), ("false", 1)])
def test_a_preparation_that_reports_is_not_ended_while_it_moves(cli, write_suite, reports, code):
    text = suite_of(f"{{use: toy-trained, with: {{epochs: 8, epoch_s: 0.5, reports: {reports}}}}}", timeout=2)
    done = cli("run", write_suite(text), "--store", "store")
    assert done.code == code, done.err
    assert ("prepare-s0: timeout" in done.err) == (code == 1)


def test_a_chain_that_breaks_a_plan_is_refused_before_anything_runs(cli, write_suite):
    done = cli("run", write_suite(suite_of("{use: toy-trained+toy-rescaled}")), "--store", "store")
    assert done.code == 2
    assert "'toy-rescaled' changes scale under the plan of 'toy-trained'" in done.err
    assert "put it first: toy-rescaled+toy-trained" in done.err and not (cli.cwd / "store").exists()
    assert cli("run", write_suite(suite_of("{use: toy-rescaled+toy-trained}")), "--store", "store").code == 0


def test_a_plan_for_another_setting_is_refused_in_the_cell(cli, write_suite):
    suite = write_suite(suite_of("{use: toy-trained}"))
    assert cli("run", suite, "--store", "store").code == 0
    cell = cells_of(cli.cwd / "store")["toy-trained"]
    folder = CellFolder(cli.cwd / "store" / "cells" / cell.id)
    plan = folder.artifact_of(0) / "plan.yaml"
    plan.write_text(plan.read_text().replace("scale: 1.0", "scale: 3.0"))
    for file in folder.samples.iterdir():
        file.unlink()
    done = cli("run", suite, "--store", "store")
    assert done.code == 1
    assert "the plan of 'toy-trained' was made for scale 3.0 (here 1.0); prepare it for this system" in done.err


def test_trainings_rule_out_stopping_early(cli, write_suite):
    text = suite_of("{use: toy-trained}").replace("{resamples: 200}", "{stop: when_resolved, resolution: 0.1}")
    done = cli("run", write_suite(text), "--store", "store")
    assert done.code == 2 and "no look at samples knows how trainings differ" in done.err
