"""Bit plans: the way to a file and back, and what is refused in one sentence."""

import re
import sys

import pytest

from effbench.api import Artifact, PluginError
from effbench.artifacts import Prepared, write_artifact
from effbench.cli.app import run_app
from effbench.errors import BadInput
from effbench.quantization.bitplan import BitPlan, LayerBits, Mean, read_plan, write_plan

SETTINGS = {"model": "zoo:emoji-turbo", "revision": "12345678", "steps": 4, "guidance_scale": 1.0}
PARAMETERS = {"blocks.0.conv": 100, "blocks.1.conv": 300, "blocks.1.ff": 600}
LAYERS = {
    "blocks.0.conv": LayerBits(weight=8, activation=8, parameters=100),
    "blocks.1.conv": LayerBits(weight=4, activation=8, parameters=300),
    "blocks.1.ff": LayerBits(weight=2, activation=16, parameters=600),
}


@pytest.fixture
def plan():
    return BitPlan.of("mixdq", SETTINGS, LAYERS, Mean(weight=4.0, activation=None))


@pytest.fixture
def file(plan, tmp_path):
    path = tmp_path / "plan.yaml"
    write_plan(path, plan)
    return path


def test_a_plan_comes_back_from_its_file_and_says_its_means(plan, file):
    assert read_plan(file) == plan
    assert plan.mean_bits == Mean(weight=(8 * 100 + 4 * 300 + 2 * 600) / 1000, activation=(8 * 400 + 16 * 600) / 1000)
    assert plan.bits("weight") == {"blocks.0.conv": 8, "blocks.1.conv": 4, "blocks.1.ff": 2}
    assert plan.histogram("activation") == {8: (2, 400), 16: (1, 600)}
    assert "  blocks.1.ff: {weight: 2, activation: 16, parameters: 600}\n" in file.read_text()
    plan.require(SETTINGS | {"height": 64}, PARAMETERS)
    plan.require_bits("weight", (2, 4, 8))


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("bit-plan/1", "bit-plan/2", "is of schema 'effbench/bit-plan/2'; a bit plan is of 'effbench/bit-plan/1'"),
        ("schema:", "scheme:", "has no schema; a bit plan is of"),
        ("weight: 4, activation: 8, ", "weight: 8, activation: 8, ", "edited after it was made"),
        ("steps: 4", "steps: 20", "edited after it was made"),
        ("weight: 4, activation: 8, ", "weight: 7, activation: 8, ", "bits are one of 2, 3, 4, 5, 6, 8, 16; got 7"),
        ("blocks.1.conv", "blocks.0.conv", "blocks.0.conv: the key is given twice"),
        ("revision:", "revisio:", "a plan holds for one revision, which is not named"),
        ("budget:", "budged:", "budge"),
        ("parameters: 300", "parameters: 0", "greater than or equal to 1"),
        ("parameters: 300", "parameters: many", "many"),
        ("layers:\n", "layers: {}\nothers:\n", "layers"),
    ],
)
def test_an_edited_file_is_one_sentence(file, old, new, said):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput, match=re.escape(said)) as error:
        read_plan(file)
    assert str(file) in str(error.value) and "\n" not in str(error.value)


def test_a_mean_that_is_not_that_of_the_layers_is_refused_though_its_hash_is_right(plan):
    from effbench.digest import hash_of

    content = plan.content()
    content.pop("sha256")
    content["mean_bits"]["weight"] = 2.0
    with pytest.raises(ValueError, match=r"weight says 2.0, the layers have 3.2"):
        BitPlan.model_validate({**content, "sha256": hash_of(content)})


@pytest.mark.parametrize(
    "settings, parameters, said",
    [
        (
            SETTINGS | {"model": "zoo:emoji-pixart"},
            PARAMETERS,
            "holds for model 'zoo:emoji-turbo'; this system has 'zoo:e",
        ),
        (SETTINGS | {"revision": "other"}, PARAMETERS, "holds for revision '12345678'; this system has 'other'"),
        (SETTINGS | {"steps": 20}, PARAMETERS, "holds for steps 4; this system has 20"),
        ({"model": "zoo:emoji-turbo"}, PARAMETERS, "holds for revision '12345678'; this system has None"),
        (SETTINGS, {"blocks.0.conv": 100, "blocks.1.conv": 300, "blocks.1.fff": 600}, "did you mean 'blocks.1.fff'?"),
        (SETTINGS, PARAMETERS | {"extra": 1}, "says nothing of layer 'extra', one of 1"),
        (SETTINGS, PARAMETERS | {"blocks.1.ff": 5}, "'blocks.1.ff' of 600 parameters; this one has 5"),
    ],
)
def test_another_system_is_refused(plan, settings, parameters, said):
    with pytest.raises(PluginError, match=re.escape(said)) as error:
        plan.require(settings, parameters, "plan.yaml")
    assert str(error.value).startswith("plan.yaml ")


def test_bits_that_a_method_cannot_give_are_refused(plan):
    with pytest.raises(PluginError, match=r"gives layer 'blocks.1.ff' 2-bit weights; possible are 4, 8"):
        plan.require_bits("weight", (8, 4))
    with pytest.raises(PluginError, match=r"gives layer 'blocks.1.ff' 16-bit activations"):
        plan.require_bits("activation", (8,))


@pytest.fixture
def described(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["effbench", "describe", *map(str, arguments)])
        code = run_app()
        return code, *capsys.readouterr()

    return run


def test_describe_shows_a_plan(described, file, plan):
    code, out, err = described(file)
    rows = [line.split() for line in out.splitlines()]
    assert (code, err) == (0, "") and out.startswith(f"{file}: a bit plan")
    assert ["weight", "3.2", "4", "2", "1", "600", "60.0%"] in rows
    assert ["8", "1", "100", "10.0%"] in rows
    assert ["activation", "12.8", "none", "8", "2", "400", "40.0%"] in rows
    assert rows.index(["blocks.1.ff", "2", "16", "600"]) < rows.index(["blocks.0.conv", "8", "8", "100"])
    assert "holds for: steps = 4" in out
    code, out, _ = described(file, "--json")
    assert code == 0 and f'"sha256": "{plan.sha256}"' in out


def test_describe_refuses_another_file_in_one_sentence(described, tmp_path):
    other = tmp_path / "suite.yaml"
    other.write_text("schema: effbench/suite/1\n")
    code, out, err = described(other)
    assert (code, out) == (2, "") and "a bit plan is of 'effbench/bit-plan/1'" in err and err.count("\n") == 1


def test_describe_shows_the_plan_in_an_artifact(described, plan, tmp_path):
    damaged = plan.content() | {"sha256": "0" * 64}
    links = [Prepared(Artifact({}, {"bit_plan": content}), {}, "mixdq") for content in (plan.content(), damaged)]
    write_artifact(tmp_path / "artifact", links)
    code, out, _ = described(tmp_path)
    assert code == 0 and out.count("plan: bit_plan =") == 2
    assert re.search(r"^    weight +3\.2 +4 +2 +1 +600 +60\.0%$", out, re.M)
    assert "    damaged: the plan was edited after it was made" in out
