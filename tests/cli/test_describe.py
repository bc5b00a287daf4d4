"""``effbench describe``: plugins by name, and what a preparation left by its folder."""

import json
import os
import sys

import numpy as np
import pytest
import torch

from effbench import registry
from effbench.api import Artifact, Method, Metric, StrictParams
from effbench.artifacts import Prepared, write_artifact
from effbench.cli.app import run_app
from effbench.tasks.workload.system import Workload
from effbench.tasks.workload.task import WorkloadTask


@pytest.fixture
def described(monkeypatch, capsys):
    """Return (exit code, stdout, stderr) of the command with some arguments."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["effbench", "describe", *map(str, arguments)])
        code = run_app()
        return code, *capsys.readouterr()

    return run


LINKS = (
    Prepared(
        Artifact(
            {
                "scale": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3),
                "packed": np.zeros((4, 500), np.uint8),
                "offset": np.float64(2.0),
            },
            {"bits": 4, "order": ["a", "b"], "limit": float("inf")},
        ),
        {"model": "zoo:digits-pixart", "steps": 20},
        "w4",
    ),
    Prepared(Artifact({}, {"cut": "x" * 200}), {}, "cut"),
)


@pytest.fixture
def cell(tmp_path):
    """A cell's folder with the artifact of a chain of two links."""
    write_artifact(tmp_path / "artifact", LINKS)
    return tmp_path


def test_an_artifact_shows_plan_settings_and_tensors_of_every_link(described, cell):
    code, out, err = described(cell)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == str(cell / "artifact")
    assert "w4: 3 tensors, 2.02 kB" in lines  # 2000 bytes packed, 12 of bf16, 8 of float64
    assert {"  holds for: model = zoo:digits-pixart", "  holds for: steps = 20", "  plan: bits = 4"} <= set(lines)
    rows = [line.split() for line in lines]
    assert ["scale", "bfloat16", "2x3", "12", "bytes"] in rows
    assert ["packed", "uint8", "4x500", "2", "kB"] in rows
    assert ["offset", "float64", "scalar", "8", "bytes"] in rows
    assert "cut: 0 tensors, 0 bytes" in lines
    assert f"  plan: cut = {'x' * 80}..." in lines and max(map(len, lines[1:])) < 100
    assert described(cell / "artifact")[1] == out


def test_json_has_all_of_it_and_only_what_json_holds(described, cell):
    code, out, _ = described(cell, "--json")
    assert code == 0 and "Infinity" not in out
    content = json.loads(out)
    (artifact,) = content["artifacts"]
    first, second = artifact["links"]
    assert content["schema"] == "effbench/describe/1" and artifact["folder"] == str(cell / "artifact")
    assert first["tensors"]["scale"] == {"dtype": "bfloat16", "shape": [2, 3], "bytes": 12}
    assert first["settings"] == {"model": "zoo:digits-pixart", "steps": 20}
    assert second["config"]["cut"] == "x" * 200 and first["sha256"] == second["sha256"]


def test_each_training_is_described(described, tmp_path):
    for seed in (0, 3):
        link = Prepared(Artifact({"w": np.full(seed + 1, 1.0)}), {}, "train")
        write_artifact(tmp_path / "artifact" / f"s{seed}", [link])
    code, out, _ = described(tmp_path)
    assert code == 0 and out.count("train: 1 tensor,") == 2
    assert out.index(f"{os.sep}s0") < out.index("8 bytes") < out.index(f"{os.sep}s3") < out.index("32 bytes")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["fewer-stepz"], "nothing is registered as 'fewer-stepz'; did you mean 'fewer-steps'?"),
        (["no/such/cell"], "no/such/cell: there is no such folder"),
        (["n" * 300 + "/x"], "there is no such folder"),
        (["fewer-steps", "--json"], "--json describes an artifact"),
    ],
)
def test_what_is_not_there_is_one_sentence(described, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, out, err = described(*arguments)
    assert (code, out) == (2, "") and said in err and err.count("\n") == 1


def test_a_folder_without_an_artifact_and_a_damaged_one_are_one_sentence(described, cell, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = described(tmp_path / "empty")
    assert code == 2 and "holds no artifact" in err and err.count("\n") == 1
    next((cell / "artifact").glob("*.safetensors")).write_bytes(b"x")
    code, _, err = described(cell)
    assert code == 2 and "not what its name says" in err and err.count("\n") == 1


class Sliced(WorkloadTask):
    """Two numbers of one name, one of them of a slice, and one of a whole set."""

    name = "sliced"
    metrics = (
        Metric("apcer", "share", higher_is_better=False, primary=True, description="attacks let through"),
        Metric("apcer", "share", higher_is_better=False, slice="species=print"),
        Metric("fid", "", higher_is_better=False, per="set", needs_reference=True),
    )


def test_a_task_shows_which_metric_ranks_and_what_each_is_of(described, monkeypatch):
    monkeypatch.setitem(registry.tasks._loaded, "workload", Sliced)
    lines = described("workload")[1].splitlines()
    assert "  apcer, in share: attacks let through (primary, lower is better)" in lines
    assert "  apcer[species=print], in share: - (lower is better)" in lines
    assert "  fid: - (lower is better, of a whole set, against the reference's outputs)" in lines


class Declared(Method):
    """Declares all that a method can."""

    name = "declared"
    accepts = (Workload,)
    random_preparation = True
    tied_to = ("model", "steps")
    changes = ("order",)

    class Params(StrictParams):
        is_real: bool = True

    def __init__(self, params=None):
        super().__init__(params)
        self.kernels = ("mylib/spmm", "quantized::*") if self.params.is_real else ()

    def execution(self):
        return "real" if self.params.is_real else "simulated"

    def prepare(self, system, ctx):
        return Artifact()

    def apply(self, system, artifact):
        return system


class Demanding(Declared):
    class Params(StrictParams):
        is_real: bool


def test_a_method_shows_all_that_it_declares(described, monkeypatch):
    monkeypatch.setitem(registry.methods._loaded, "fewer-steps", Declared)
    lines = described("fewer-steps")[1].splitlines()
    assert lines[lines.index("accepts: Workload") + 1 :] == [
        "execution: real",
        "prepares: once per seed",
        "holds for one: model, steps (of the system's settings)",
        "changes: order (of the system's settings)",
        "kernels that must be seen to run: mylib/spmm, quantized::*",
    ]
    monkeypatch.setitem(registry.methods._loaded, "fewer-steps", Demanding)
    assert "execution: by its parameters" in described("fewer-steps")[1].splitlines()


@pytest.mark.parametrize("name", [*registry.tasks.names(), *registry.methods.names()])
def test_everything_that_ships_can_be_described(described, name):
    code, out, err = described(name)
    assert (code, err) == (0, "") and (("(primary, " in out) or ("execution: " in out))


def test_a_plugin_is_found_by_its_name_beside_a_folder_of_that_name(described, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fewer-steps").mkdir()
    code, out, _ = described("fewer-steps")
    assert code == 0 and out.startswith("fewer-steps: method of")


def test_text_of_strangers_in_an_artifact_moves_no_terminal(described, tmp_path):
    write_artifact(tmp_path, [Prepared(Artifact({"a\x1b[31m": np.ones(1)}, {"k\x1b": "v\x1b[2J"}), {}, "m\x1b[0m")])
    for more in ([], ["--json"]):
        code, out, _ = described(tmp_path, *more)
        assert code == 0 and "\x1b" not in out and "x1b" in out
