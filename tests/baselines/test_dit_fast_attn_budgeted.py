"""Plans under a budget: influences that were measured, and programmes that are solved to the optimum."""

import itertools

import diffusion_systems as systems
import numpy as np
import pytest
from tiny_systems import loaded

from effbench.api import PluginError
from effbench.diffusion.attention_plan import AttentionPlan, LayerShape
from effbench_baselines.dit_fast_attn.budgeted import DiTFastAttnOptimal, DiTFastAttnV2
from effbench_baselines.dit_fast_attn.drawn import DiTFastAttnDrawn
from effbench_baselines.dit_fast_attn.greedy import search
from effbench_baselines.dit_fast_attn.influence import Choice, LayerInfluence, Unit, measure_influences
from effbench_baselines.dit_fast_attn.optimum import (
    choices_of,
    head_prices,
    influence_of,
    layer_prices,
    optimum,
    planned_layers,
)

SHAPE = LayerShape(rows=2, tokens=96, channels=16, heads=2, head_width=8, half_width=12, window_pairs=2244)


def invented(steps, layers=1, oldest=2, seed=0):
    """Return influences of every choice of some layers, at random; full attention has none."""
    rng, table = np.random.default_rng(seed), {}
    for layer in range(layers):
        table[Unit(f"layer{layer}")] = [
            {Choice("full"): 0.0, Choice("asc"): rng.random()}
            | {Choice("ast", age): rng.random() for age in range(1, min(oldest, step) + 1)}
            | {
                Choice(slot, age, shared): rng.random()
                for age in range(1, min(oldest, step) + 1)
                for slot, shared in (("wa-rs", False), ("wa-rs", True), ("wa-rs+asc", False))
            }
            for step in range(steps)
        ]
    return table


def brute_force(table, prices, budget):
    """Return the least summed influence of all sequences of slots that can run and are cheap enough."""
    (unit, steps), best = next(iter(table.items())), None
    most = budget * prices[unit]["full"] * len(steps)
    for slots in itertools.product(("full", "asc", "ast", "wa-rs", "wa-rs+asc"), repeat=len(steps)):
        if slots[0] not in ("full", "asc"):
            continue
        choices = choices_of(slots)
        if sum(prices[unit][slot] for slot in slots) > most or any(c not in at for c, at in zip(choices, steps)):
            continue
        found = influence_of({unit: choices}, table)
        best = found if best is None else min(best, found)
    return best


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.proof) for seed in range(1, 4))])
@pytest.mark.parametrize("budget", [1.0, 0.7, 0.45])
def test_the_programme_finds_what_brute_force_finds(seed, budget):
    table, prices = invented(5, seed=seed), layer_prices({"layer0": SHAPE})
    found = optimum(table, prices, budget)
    assert found.influence == pytest.approx(brute_force(table, prices, budget), rel=1e-5)
    (unit, taken) = next(iter(found.choices.items()))
    assert choices_of([choice.slot for choice in taken]) == list(taken)
    assert sum(prices[unit][choice.slot] for choice in taken) <= budget * prices[unit]["full"] * 5


def test_influence_falls_with_the_budget_and_a_budget_that_cannot_be_met_says_the_least():
    table = invented(4, layers=3)
    prices = layer_prices({f"layer{i}": SHAPE for i in range(3)})
    found = [optimum(table, prices, budget).influence for budget in (0.4, 0.6, 0.8, 1.0)]
    assert found == sorted(found, reverse=True) and found[-1] == 0.0 < found[0]
    least = sum(prices[Unit("layer0")][slot] for slot in ("asc", "wa-rs+asc", "ast", "ast")) / (4 * SHAPE.flops("full"))
    with pytest.raises(
        PluginError, match=rf"a budget of 0\.1 of full attention cannot be met; the least is {least:.3f}"
    ):
        optimum(table, prices, 0.1)


def test_slots_say_of_what_age_is_what_they_use():
    slots = ["full", "wa-rs", "ast", "ast", "wa-rs+asc", "asc", "wa-rs", "ast", "wa-rs+asc"]
    assert choices_of(slots) == [
        Choice("full"), Choice("wa-rs", 1), Choice("ast", 1), Choice("ast", 2), Choice("wa-rs+asc", 4), Choice("asc"),
        Choice("wa-rs", 1, True), Choice("ast", 1), Choice("wa-rs+asc", 3),
    ]  # fmt: skip
    assert choices_of("ffwcc") == [Choice("f"), Choice("f"), Choice("w"), Choice("c", 1), Choice("c", 2)]


@pytest.mark.parametrize("name", ["DiTPipeline", pytest.param("PixArtSigmaPipeline", marks=pytest.mark.proof)])
def test_the_optimum_is_never_below_a_greedy_plan_of_equal_operations(name):
    _, system, ctx = loaded(name, steps=4)
    batch = systems.samples(name)
    greedy = search(system, ctx, batch, threshold=0.3, loss_name="code", width_share=1 / 8, short_windows=True)
    measured = measure_influences(system, ctx, batch, LayerInfluence(system, len(batch), 1 / 8, True, oldest=4))
    plan = AttentionPlan.of("greedy", system.settings(), {}, greedy.layers)
    taken = {Unit(layer): choices_of(slots.steps) for layer, slots in plan.layers.items()}
    assert plan.share < 1
    found = optimum(measured.influences, layer_prices(measured.shapes), plan.share * (1 + 1e-6))
    best = AttentionPlan.of("best", system.settings(), {}, planned_layers(measured.shapes, found.choices))
    assert best.share <= plan.share * (1 + 1e-6)
    assert found.influence <= influence_of(taken, measured.influences) * (1 + 1e-5)
    assert influence_of(taken, measured.influences) > 0


@pytest.mark.parametrize("name", ["PixArtSigmaPipeline", "CogVideoXPipeline"])
def test_a_drawn_plan_meets_its_share_and_is_another_with_another_seed(name):
    _, system, ctx = loaded(name, steps=6)
    plans = [drawn(system, ctx, share=0.5, seed=seed) for seed in (0, 0, 1)]
    assert plans[0] == plans[1] and plans[0].layers != plans[2].layers
    slot = 1 / (6 * len(plans[0].layers))
    for plan in plans:
        assert 0.5 - slot < plan.share <= 0.5
    kinds = set(plans[0].counts()) | set(plans[2].counts())
    assert kinds >= {"full", "ast"} and len(kinds) >= 4
    if name == "PixArtSigmaPipeline":  # nothing tells its halves apart before the first cross-attention
        free = plans[0].layers["transformer_blocks.0.attn1"].steps
        assert set(free) <= {"asc", "ast", "wa-rs+asc"}
    with pytest.raises(
        PluginError, match=r"share 0\.01: the first of 6 steps computes everything, which alone is 0\.1\d"
    ):
        drawn(system, ctx, share=0.01)


def drawn(system, ctx, **params):
    method = DiTFastAttnDrawn(DiTFastAttnDrawn.Params(short_windows=True, **params))
    return AttentionPlan.model_validate(method.prepare(system, ctx).config["attention_plan"])


@pytest.mark.parametrize("method", [DiTFastAttnOptimal, DiTFastAttnV2])
@pytest.mark.parametrize("name", ["CogVideoXPipeline", pytest.param("LattePipeline", marks=pytest.mark.proof)])
def test_a_plan_meets_its_budget_and_runs(name, method):
    task, system, ctx = loaded(name, steps=3)
    asked = method(method.Params(budget=0.7, short_windows=True, samples=2))
    artifact = asked.prepare(system, ctx)
    plan = AttentionPlan.model_validate(artifact.config["attention_plan"])
    assert (plan.core_share if method is DiTFastAttnV2 else plan.share) <= 0.7
    assert "forward" not in vars(system.denoiser)
    changed = asked.apply(system, artifact)
    first, again, full = (task.run(it, systems.samples(name), 0) for it in (changed, changed, system))
    assert all(np.array_equal(a["latent"], b["latent"]) for a, b in zip(first, again))
    assert 0 < max(float(np.abs(a["latent"] - b["latent"]).max()) for a, b in zip(first, full)) < np.inf
    said = asked.facts(changed)
    assert ("full_heads_share" in said) == (method is DiTFastAttnV2)


def test_heads_share_a_layer_and_cost_their_part_of_it():
    prices = head_prices({"layer": SHAPE})
    assert list(prices) == [Unit("layer", 0), Unit("layer", 1)]
    assert sum(price["f"] for price in prices.values()) == SHAPE.core_flops("full")
    assert prices[Unit("layer", 0)]["c"] == 0 and prices[Unit("layer", 0)]["w"] < prices[Unit("layer", 0)]["f"]
    choices = {Unit("layer", 0): choices_of("ffc"), Unit("layer", 1): choices_of("fwf")}
    assert planned_layers({"layer": SHAPE}, choices)["layer"].steps == ("ff", "fw", "cf")


def test_a_full_budget_changes_nothing_but_what_is_free():
    name = "PixArtSigmaPipeline"
    _, system, ctx = loaded(name, steps=3)
    batch = systems.samples(name)
    measured = measure_influences(system, ctx, batch, LayerInfluence(system, len(batch), 1 / 8, True, oldest=2))
    first, second = (Unit(f"transformer_blocks.{i}.attn1") for i in (0, 1))
    assert all(Choice("full") not in at and at[Choice("asc")] == 0.0 for at in measured.influences[first])
    assert all(at[Choice("full")] == 0.0 < at[Choice("asc")] for at in measured.influences[second])
    assert optimum(measured.influences, layer_prices(measured.shapes), 1.0).influence == 0.0
