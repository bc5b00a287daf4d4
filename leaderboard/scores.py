"""Which quality is looked at sample by sample: one choice that the comparison and the samples share."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from effbench.record import Number
from effbench.report.columns import label_of
from effbench.report.samplewise import Samplewise, numbers_per_sample, samplewise
from effbench.report.summarise import WorkloadCells
from effbench_leaderboard.address import ADDRESS
from effbench_leaderboard.text import escape


def choose_score(workload: WorkloadCells, methods: Sequence[str]) -> Samplewise | None:
    """Draw the choice where there are several, and return the quality of the methods per sample, None without one.

    What is damaged or missing is said where it is needed, and costs the methods that it is of.
    """
    key = workload.key
    numbers, damaged = _numbers(key, workload, tuple(methods))
    for sentence in damaged:
        st.warning(escape(sentence), icon=":material/error:")
    if not numbers:
        return None
    named = {number.name: number for number in numbers}
    labels = {name: label_of(name, number.unit, number.axis) for name, number in named.items()}
    name = numbers[0].name
    if len(numbers) > 1:
        name = st.selectbox("Score per sample", list(named), format_func=labels.__getitem__, key="score", bind=ADDRESS)
    return _samplewise(key, workload, tuple(methods), name, named[name])


@st.cache_resource(max_entries=16, show_spinner=False)
def _numbers(
    key: str, _workload: WorkloadCells, methods: tuple[str, ...]
) -> tuple[tuple[Number, ...], tuple[str, ...]]:
    return numbers_per_sample(_workload, methods)


@st.cache_resource(max_entries=16, show_spinner=False)
def _samplewise(
    key: str,
    _workload: WorkloadCells,
    methods: tuple[str, ...],
    name: str,
    _number: Number,
) -> Samplewise:
    return samplewise(_workload, methods, _number)
