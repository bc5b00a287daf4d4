"""Several methods sample by sample in one quality, against the first of them: where it is lost, and on which prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from effbench.errors import StoreError
from effbench.legible import legible
from effbench.raw import RawCell
from effbench.record import Number
from effbench.report.columns import label_of
from effbench.report.pairs import SamplePairs, paired_numbers, pairs_of
from effbench.report.summarise import WorkloadCells, names_of

Key = tuple[str, int]
"""(sample id, seed): one output of a method."""


class Values(NamedTuple):
    """The scores of one sample: that of the first method, that of the other, and how much worse the other is."""

    first: float
    other: float
    loss: float


@dataclass(frozen=True)
class Samplewise:
    """One quality of some methods, per sample: ``pairs`` is method -> its scores beside the first method's.

    ``missing`` is method -> why it has none.
    """

    number: Number
    pairs: Mapping[str, SamplePairs]
    missing: Mapping[str, str]

    @property
    def label(self) -> str:
        """Return the quality's name in words."""
        return label_of(self.number.name, self.number.unit, self.number.axis)

    @cached_property
    def values(self) -> Mapping[str, Mapping[Key, Values]]:
        """Return method -> sample -> its scores, where both methods have one."""
        found = {}
        for method, pairs in self.pairs.items():
            losses = pairs.losses(higher_is_better=self.number.higher_is_better)
            rows = zip(pairs.keys, pairs.a.tolist(), pairs.b.tolist(), losses.tolist(), pairs.known.tolist())
            found[method] = {key: Values(*values) for key, *values, is_known in rows if is_known}
        return found


def numbers_per_sample(workload: WorkloadCells, chosen: Sequence[str]) -> tuple[tuple[Number, ...], tuple[str, ...]]:
    """Return (qualities that the first method shares per sample with one of the others, primary first; what is damaged)."""
    first, *others = _members(workload, chosen)
    found: dict[str, Number] = {}
    damaged: list[str] = []
    for other in others:
        try:
            found |= {number.name: number for number in paired_numbers(first, other) if number.name not in found}
        except StoreError as error:
            damaged.append(str(error))
    numbers = sorted(found.values(), key=lambda number: not number.primary)
    return tuple(numbers), tuple(dict.fromkeys(damaged))


def samplewise(workload: WorkloadCells, chosen: Sequence[str], number: Number) -> Samplewise:
    """Return a quality of the chosen methods per sample; they are named as ``names_of`` says, the first one is the base."""
    first, *others = _members(workload, chosen)
    pairs, missing = {}, {}
    for name, other in zip(chosen[1:], others):
        try:
            found = pairs_of(first, other, number)
        except StoreError as error:
            missing[name] = str(error)
            continue
        if found is None or not found.known.any():
            missing[name] = "no sample that both ran has this score on both sides"
        else:
            pairs[name] = found
    return Samplewise(number, pairs, missing)


def slices_by_sample(workload: WorkloadCells, chosen: Sequence[str]) -> dict[str, frozenset[Key]]:
    """Return slice (``attribute=value``) -> its samples, as the first chosen method that has slices says."""
    for raw in _members(workload, chosen):
        try:
            rows = raw.scalars
        except StoreError:
            continue
        if rows is None or not rows.scores.slices:
            continue
        found: dict[str, set[Key]] = {}
        for attribute, values in rows.scores.slices.items():
            for key, value in zip(zip(rows.ids, rows.seeds), values):
                if value:
                    found.setdefault(f"{legible(attribute)}={legible(value)}", set()).add(key)
        return {name: frozenset(found[name]) for name in sorted(found)}
    return {}


def ordered(keys: Sequence[Key], losses: Mapping[Key, float] | None) -> list[Key]:
    """Return samples by the largest loss first, equal ones as they stood and those without a score last; by id for None."""
    if losses is None:
        return sorted(keys)
    return sorted(keys, key=lambda key: -losses.get(key, float("-inf")))


def matching(keys: Sequence[Key], captions: Mapping[Key, str], text: str) -> list[Key]:
    """Return the samples whose id or caption holds every word of a text, whatever its case."""
    words = text.casefold().split()
    return [key for key in keys if all(word in f"{key[0]} {captions.get(key, '')}".casefold() for word in words)]


def _members(workload: WorkloadCells, chosen: Sequence[str]) -> list[RawCell]:
    place = dict(zip(names_of(workload), workload.raw))
    return [place[name] for name in chosen]
