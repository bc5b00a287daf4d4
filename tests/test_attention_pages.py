"""What docs/attention.md derives: methods against fewer steps of the same time, and the time of a plan from its parts."""

import itertools
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

import pytest

from effbench.api import Context
from effbench.diffusion.attention_plan import AttentionPlan
from effbench.tasks.denoiser.task import Denoiser
from effbench_baselines.dit_fast_attn.drawn import DiTFastAttnDrawn
from effbench_baselines.dit_fast_attn.installing import replaceable_layers

ROOT = Path(__file__).parent.parent


def script(name):
    spec = spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def timed(method, ms):
    number = SimpleNamespace(name="latency_p50_ms", value=ms)
    return SimpleNamespace(method_id=method, numbers=(number,))


def test_the_fewer_steps_beside_a_method_are_those_of_the_nearest_time_in_ratio():
    study = script("attention_study")
    shorter = [timed("ten", 100.0), timed("five", 50.0), timed("unsupported", None)]
    assert study.nearest_steps(timed("m", 72.0), shorter).method_id == "ten"  # 1.39 and 1.44 times
    assert study.nearest_steps(timed("m", 69.0), shorter).method_id == "five"
    assert study.nearest_steps(timed("m", None), shorter) is None


def test_a_method_pays_where_it_is_surely_faster_and_nearer_than_fewer_steps_of_the_same_time():
    study = script("attention_study")

    def said(speed, nearer, time="undecided"):
        numbers = (SimpleNamespace(name="speedup", value=1.0, ci_low=speed[0], ci_high=speed[1]),)
        rows = [
            SimpleNamespace(number=name, outcome=lambda level, outcome=outcome: outcome)
            for name, outcome in (("psnr_db", nearer), ("latency_p50_ms", time), ("alignment", "undecided"))
        ]
        return study.verdict(SimpleNamespace(numbers=numbers), SimpleNamespace(rows=rows, level=0.95))

    assert said((1.1, 1.3), "better") == "**yes**" and said((1.1, 1.3), "better", "better") == "**yes**"
    assert said((1.1, 1.3), "undecided", "better") == "**yes**: as near, quicker"
    assert said((1.1, 1.3), "undecided", "worse") == "no: fewer steps are quicker"
    assert said((1.1, 1.3), "unknown") == "unknown"
    assert said((1.1, 1.3), "better", "worse") == "nearer, in more time"
    assert said((1.1, 1.3), "worse") == "no: fewer steps are nearer"
    assert said((1.1, 1.3), "undecided") == "as fewer steps do"
    assert said((0.9, 1.3), "better") == "no: not surely faster"
    assert said((0.8, 0.9), "better") == "no: slower than full sampling"
    assert said((None, None), "better") == "unknown"


def test_operations_promise_their_ratio_to_the_reference_s():
    study = script("attention_study")
    whole, half = (
        SimpleNamespace(numbers=(SimpleNamespace(name="gflop_per_sample", value=value),)) for value in (8.0, 4.0)
    )
    assert study.promised(half, whole) == "2.00" and study.promised(half, None) == "n/a"


def test_settings_of_a_method_are_one_curve_and_the_front_is_a_staircase():
    curves = script("attention_curves")

    def cell(method, cost, quality):
        numbers = (SimpleNamespace(name="latency_p50_ms", value=cost), SimpleNamespace(name="psnr_db", value=quality))
        return SimpleNamespace(method_id=method, numbers=numbers)

    cells = [cell("m(a=2)", 20, 40), cell("m(a=1)", 10, 30), cell("slow", 25, 35), cell("reference", 30, None)]
    cells.append(cell("same", 28, 100.0))  # which left nothing out
    found = curves.families(cells, "latency_p50_ms", "psnr_db")
    assert {name: [point.at for point in points] for name, points in found.items()} == {
        "m": [(10, 30), (20, 40)], "slow": [(25, 35)],
    }  # fmt: skip
    assert curves.staircase([p for points in found.values() for p in points]) == [(10, 30), (20, 30), (20, 40)]


@pytest.mark.whole
def test_a_plan_is_taken_apart_into_what_its_layers_do_and_every_part_can_be_timed_alone(monkeypatch):
    study = script("attention_time")
    monkeypatch.setattr(study, "REPEATS", 1)
    task = Denoiser(Denoiser.Params(blocks=1, tokens=256, steps=4))
    ctx = Context(calibration=lambda: task.samples("calibration"), run=task.run)
    system = task.load(ctx)
    method = DiTFastAttnDrawn(DiTFastAttnDrawn.Params(share=0.4, short_windows=True, seed=1))
    plan = AttentionPlan.model_validate(method.prepare(system, ctx).config["attention_plan"])
    (row,) = study.parts_of(plan).values()
    assert [part.slot for part in row] == list(next(iter(plan.layers.values())).steps)
    uses = [slot.startswith("wa-rs") for slot in (part.slot for part in row)]
    assert any(part.keeps_residual for part in row) == any(uses)
    before = {name: layer.module.processor for name, layer in replaceable_layers(system).items()}
    full, planned = study.predicted_ms(task, system, plan)
    assert full > 0 and planned > 0
    assert {name: layer.module.processor for name, layer in replaceable_layers(system).items()} == before


@pytest.mark.parametrize(("part", "computed"), [("full", 2), ("asc", 1), ("ast", 0)])
def test_a_part_computes_the_rows_that_its_slot_says(part, computed):
    study = script("attention_time")
    task = Denoiser(Denoiser.Params(blocks=1, tokens=256, steps=2))
    system = task.load(Context())
    without = study.Without()
    task.run(system.observed_by(without), task.samples("evaluation"), 0)
    (layer,) = replaceable_layers(system).values()
    rows = []
    hook = layer.module.to_q.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    slots = SimpleNamespace(half_width=32)
    study.part_seconds(layer, without.given[layer.name], study.Part(part, False), slots, system.guidance_order)
    hook.remove()
    assert rows == [2] + [computed] * (study.REPEATS + 1) * (computed > 0)


@pytest.mark.whole
def test_a_ceiling_is_of_the_time_that_is_left_without_self_attention(monkeypatch):
    study = script("attention_time")
    seconds = itertools.cycle([1.5, 2.0])  # of a sample without self-attention, and of a whole one
    monkeypatch.setattr(study, "PAIRS", 1)
    monkeypatch.setattr(study, "seconds_of", lambda run: (run(), next(seconds))[1])
    operations = 3 * 2 * (8 * 256 * 1152**2 + 4 * 256**2 * 1152)  # three steps, both halves of guidance
    values = {"gflop_per_sample": 5 * operations / 1e9, "flop_per_byte": 12.34, "roofline_share": 0.5}
    numbers = tuple(SimpleNamespace(name=name, value=value) for name, value in values.items())
    params = {"blocks": 1, "tokens": 256, "steps": 3}
    identity = SimpleNamespace(task="denoiser", task_params=params)
    cell = SimpleNamespace(
        identity=identity, numbers=numbers, task_id="blocks", method_id="reference", role="reference",
        provenance=SimpleNamespace(threads=1),
    )  # fmt: skip
    *_, line = study.ceilings([SimpleNamespace(cells=(cell,))])
    assert line == "| blocks | 256 | 1 | 12.3 | 50% | 20% | 25% | 1.33 |"
