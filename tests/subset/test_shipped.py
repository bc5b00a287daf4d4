"""The subsets that ship: whole, of the pool that they name, from a matrix as large as promised."""

import pytest
from bench_flasheval.embedded import embedded_scores

from effbench.subset.building import held_of, why_expired
from effbench.subset.certificate import certify, folds_of, search_all
from effbench.subset.manifest import find_subset, shipped
from effbench.subset.selectors import find_selector
from effbench.zoo.emoji_scenes.prompts import prompts
from effbench.zoo.moving_emoji import prompts as moving

EMOJI = {entry.id: entry.prompt for entry in prompts("pool")}
MOVING = {name: prompt for name, prompt, _ in moving.entries("pool")}
POOLS = {
    "emoji": (EMOJI, ("prompt_accuracy", "alignment"), ("leave-few-out", "leave-one-family-out")),
    "moving-emoji": (MOVING, ("prompt_accuracy", "frame_alignment"), ("leave-few-out",)),
}
NAMES = [f"{pool}-{size}" for pool in POOLS for size in (20, 50)]


def pool_of(name):
    return POOLS[name.rpartition("-")[0]]


def test_both_sizes_ship_for_both_pools():
    assert set(NAMES) <= set(shipped())


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_subset_is_of_its_pool_and_certified_on_forty_settings_or_more(name):
    pool, metrics, kinds = pool_of(name)
    subset = find_subset(name)
    assert len(subset.ids) == int(name.rpartition("-")[2]) and set(subset.ids) <= set(pool)
    assert subset.pool.samples == len(pool) == 300 and len(subset.pool.methods) >= 40
    splits = {(held.metric, held.split) for held in subset.certificate}
    assert splits == {(metric, kind) for metric in metrics for kind in kinds}
    assert all(held.tau <= held.searched_tau for held in subset.certificate)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.proof] if name.startswith("moving") else []) for name in NAMES]
)
def test_it_is_what_its_selector_chooses_from_the_scores_that_ship_and_its_certificate_holds(name):
    subset, matrices = find_subset(name), embedded_scores(f"{name.rpartition('-')[0]}-pool")
    assert why_expired(subset, matrices[0]) is None
    again = find_selector(subset.chosen.selector).select(matrices, len(subset.ids), subset.chosen.seed)
    assert [matrices[0].samples[row] for row in again.rows] == subset.ids
    metric, kind = pool_of(name)[1][1], pool_of(name)[2][-1]
    held = next(h for h in subset.certificate if (h.metric, h.split) == (metric, kind))
    folds = folds_of(matrices[0], 100)[kind]
    chosen = search_all(find_selector(subset.chosen.selector), matrices, len(subset.ids), folds, subset.chosen.seed)
    assert held_of(certify(matrices[1], kind, folds, chosen), None) == held.model_copy(update={"minutes_saved": None})


@pytest.mark.parametrize("pool", POOLS)
def test_the_scores_come_with_the_prompts(pool):
    first = embedded_scores(f"{pool}-pool")[0]
    assert dict(zip(first.samples, first.texts, strict=True)) == POOLS[pool][0]
