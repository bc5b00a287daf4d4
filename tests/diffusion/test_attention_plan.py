"""Attention plans: the way to a file and back, their operations, and what is refused in one sentence."""

import re
import sys

import pytest

from effbench.api import Artifact, PluginError
from effbench.artifacts import Prepared, write_artifact
from effbench.cli.app import run_app
from effbench.diffusion.attention_plan import (
    AttentionPlan,
    LayerShape,
    LayerSlots,
    read_attention_plan,
    write_attention_plan,
)
from effbench.errors import BadInput
from effbench.kernels.window_attention.cost import band_pairs

SETTINGS = {
    "model": "zoo:emoji-pixart", "revision": "12345678", "scheduler": "Euler:1", "steps": 4, "height": 32, "width": 32,
    "frames": 1, "guidance_order": "unconditional-first",
}  # fmt: skip


def shape(tokens=64, channels=192, heads=6, rows=2, half_width=8):
    pairs = band_pairs(tokens, half_width)
    return LayerShape(
        rows=rows, tokens=tokens, channels=channels, heads=heads, head_width=channels // heads, half_width=half_width,
        window_pairs=pairs,
    )  # fmt: skip


def layer(*steps, **form):
    return LayerSlots(**shape(**form).model_dump(), steps=steps)


@pytest.fixture
def plan():
    layers = {
        "blocks.0.attn1": layer("asc", "ast", "wa-rs+asc", "wa-rs"),
        "blocks.1.attn1": layer("ffffff", "fwcccc", "ffffff", "wwwwww"),
    }
    return AttentionPlan.of("dit-fast-attn", SETTINGS, {"loss": "code", "threshold": 0.1}, layers)


@pytest.fixture
def file(plan, tmp_path):
    path = tmp_path / "plan.yaml"
    write_attention_plan(path, plan)
    return path


def test_a_plan_comes_back_from_its_file(plan, file):
    assert read_attention_plan(file) == plan
    assert "steps: [asc, ast, wa-rs+asc, wa-rs]}\n" in file.read_text()
    assert plan.counts() == {"asc": 1, "ast": 1, "wa-rs+asc": 1, "wa-rs": 1, "f": 13, "w": 7, "c": 4}


@pytest.mark.parametrize(("tokens", "published"), [(1024, 77), (4096, 51), (16384, 33)])
def test_a_window_costs_what_the_paper_s_table_2_says(tokens, published):
    form = shape(tokens, 1152, 16, half_width=tokens // 8)
    full = form.flops("full")
    assert 100 * form.flops("wa-rs") / full == pytest.approx(published, abs=1)
    assert form.flops("ast") == 0 and 2 * form.flops("asc") == full
    assert 100 * form.flops("wa-rs+asc") / full == pytest.approx(published / 2, abs=1)
    assert form.flops("f" * 16) == full and form.flops("w" * 16) == form.flops("wa-rs")
    assert form.flops("c" * 16) == full - form.core_flops("full")


def test_operations_of_a_plan_are_those_of_its_slots(plan):
    form, head = shape(), 4 * 2 * 32
    full, window = 64 * 64, band_pairs(64, 8)
    projections = 4 * 2 * 2 * 64 * 192 * 192
    assert form.flops("full") == projections + 6 * head * full
    by_slots = 0.5 * (projections + 6 * head * full) + 0.5 * (projections + 6 * head * window)
    by_slots += projections + 6 * head * window
    by_heads = 4 * projections + head * (13 * full + 7 * window)
    assert plan.flops.plan == by_slots + by_heads and plan.flops.full == 8 * form.flops("full")
    assert plan.share == plan.flops.plan / plan.flops.full
    core = head * (3 * full + 3 * window + 6 * window + 13 * full + 7 * window)
    assert plan.core_share == pytest.approx(core / (48 * head * full))


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (("ast", "full"), "step 0: 'ast' uses what an earlier step computed"),
        (("wa-rs+asc", "full"), "step 0: 'wa-rs+asc' uses what an earlier step computed"),
        (("fffffc", "ffffff"), "step 0: 'fffffc' uses what an earlier step"),
        (("full", "wars"), "step 1: 'wars' is no strategy; did you mean 'wa-rs'?"),
        (("ffffff", "fff"), "step 1: 'fff' has 3 letters for 6 heads"),
        (("full", "ffffff"), "strategies or letters for its heads, not both"),
    ],
)
def test_slots_that_cannot_run_are_refused(steps, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        layer(*steps)


def test_what_does_not_fit_the_settings_is_refused():
    with pytest.raises(ValueError, match="shares between two halves, and a sample has 3 rows"):
        layer("asc", rows=3)
    with pytest.raises(ValueError, match="has 1 slots for 4 steps"):
        AttentionPlan.of("m", SETTINGS, {}, {"a": layer("full")})
    for order in ("off", "conditional-call-first"):
        with pytest.raises(ValueError, match="shares between halves of a batch that has none"):
            AttentionPlan.of("m", SETTINGS | {"guidance_order": order, "steps": 1}, {}, {"a": layer("asc")})


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("attention-plan/1", "attention-plan/2", "an attention plan is of 'effbench/attention-plan/1'"),
        ("[asc, ast,", "[asc, asc,", "edited after it was made"),
        ("steps: 4", "steps: 20", "edited after it was made"),
        ("frames: 1", "frams: 1", "a plan holds for one frames, which is not named"),
        ("wa-rs+asc", "wa-rs+ast", "'wa-rs+ast' is no strategy; did you mean 'wa-rs"),
        ("tokens: 64", "tokens: 0", "greater than or equal to 1"),
    ],
)
def test_an_edited_file_is_one_sentence(file, old, new, said):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput, match=re.escape(said)) as error:
        read_attention_plan(file)
    assert str(file) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "zoo:digits-dit"}, "holds for model 'zoo:emoji-pixart'; this system has 'zoo:digits-dit'"),
        ({"revision": "other"}, "holds for revision '12345678'; this system has 'other'"),
        ({"scheduler": "DDIM:2"}, "holds for scheduler 'Euler:1'; this system has 'DDIM:2'"),
        ({"steps": 20}, "holds for steps 4; this system has 20"),
        ({"height": 64}, "holds for height 32; this system has 64"),
        ({"guidance_order": "off"}, "holds for guidance_order 'unconditional-first'; this system has 'off'"),
    ],
)
def test_another_system_is_refused_in_one_sentence(plan, settings, said):
    with pytest.raises(PluginError, match=re.escape(said)) as error:
        plan.require(SETTINGS | settings, plan.layers, "plan.yaml")
    assert str(error.value).startswith("plan.yaml ") and "\n" not in str(error.value)
    plan.require(SETTINGS | {"guidance_scale": 7.0}, plan.layers)
    with pytest.raises(PluginError, match=r"names a layer 'blocks.0.attn1' that is not there"):
        plan.require(SETTINGS, {"blocks.1.attn1": None})


@pytest.fixture
def described(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["effbench", "describe", *map(str, arguments)])
        code = run_app()
        return code, *capsys.readouterr()

    return run


def test_describe_shows_a_plan_and_one_in_an_artifact(described, plan, file, tmp_path):
    code, out, err = described(file)
    rows = [line.split() for line in out.splitlines()]
    assert (code, err) == (0, "") and out.startswith(f"{file}: an attention plan")
    assert "search: loss = code" in out and f"operations of these layers: {plan.share:.1%} of full attention" in out
    assert any(row[:4] == ["blocks.0.attn1", "2", "64", "8"] and row[-1] == "ctbw" for row in rows)
    assert any(row[0:1] == ["blocks.1.attn1"] and row[-4:] == ["ffffff", "fwcccc", "ffffff", "wwwwww"] for row in rows)
    code, out, _ = described(file, "--json")
    assert code == 0 and f'"sha256": "{plan.sha256}"' in out
    damaged = plan.content() | {"sha256": "0" * 64}
    links = [Prepared(Artifact({}, {"attention_plan": content}), {}, "m") for content in (plan.content(), damaged)]
    write_artifact(tmp_path / "cell" / "artifact", links)
    code, out, _ = described(tmp_path / "cell")
    assert code == 0 and out.count("plan: attention_plan =") == 2
    assert "    made by dit-fast-attn" in out and "    damaged: the plan was edited after it was made" in out
