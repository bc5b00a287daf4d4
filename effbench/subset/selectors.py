"""The selectors by name."""

from __future__ import annotations

from effbench.errors import BadInput, nearest
from effbench.subset.exact import Exact
from effbench.subset.frequency import FrequencySearch
from effbench.subset.greedy import GreedyTau
from effbench.subset.irt import ItemResponse
from effbench.subset.selection import Selector
from effbench.subset.soft import SoftTau
from effbench.subset.unsearched import Random, Stratified, TextMedoids
from effbench.subset.weighted import Weighted

SELECTORS: dict[str, Selector] = {
    selector.name: selector
    for selector in (
        SoftTau(),
        FrequencySearch(),
        GreedyTau(),
        Weighted(),
        ItemResponse(),
        Exact(),
        Random(),
        Stratified(),
        TextMedoids(),
    )
}


def find_selector(name: str) -> Selector:
    """Return the selector of a name; raise ``BadInput`` where there is none."""
    if name not in SELECTORS:
        raise BadInput(f"no selector {name!r}{nearest(name, SELECTORS)}")
    return SELECTORS[name]
