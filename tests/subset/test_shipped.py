"""The subsets that ship: whole, of the pool that they name, from a matrix as large as promised."""

import pytest

from effbench.subset.manifest import find_subset, shipped
from effbench.zoo.emoji_scenes.prompts import prompts


def test_both_sizes_ship():
    assert {"emoji-20", "emoji-50"} <= set(shipped())


@pytest.mark.parametrize("name", ["emoji-20", "emoji-50"])
def test_a_shipped_subset_is_of_the_emoji_pool_and_certified_on_forty_settings_or_more(name):
    subset, pool = find_subset(name), {entry.id for entry in prompts("pool")}
    assert len(subset.ids) == int(name.partition("-")[2]) and set(subset.ids) <= pool
    assert subset.pool.samples == len(pool) == 300 and len(subset.pool.methods) >= 40
    splits = {(held.metric, held.split) for held in subset.certificate}
    kinds = ("random-half", "leave-one-family-out")
    assert splits == {(metric, kind) for metric in ("prompt_accuracy", "alignment") for kind in kinds}
    assert all(held.tau <= held.searched_tau for held in subset.certificate)
