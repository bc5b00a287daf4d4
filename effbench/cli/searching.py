"""The selector that ``effbench subset build`` was asked for, with its options, and what a person sees while it searches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from effbench.errors import BadInput
from effbench.runner.progress import Reporter
from effbench.subset.frequency import FrequencySearch
from effbench.subset.selection import Selector
from effbench.subset.selectors import find_selector

EVERY_S = 5.0
"""A line at most this often where there is no live bar."""


@contextmanager
def searching(name: str, options: Mapping[str, Any], searches: int) -> Iterator[Selector]:
    """Yield the selector of a name with the options that are not None; the frequency search tells how far it is.

    Raises ``BadInput`` where there is no such selector, or options are given to one that has none.
    """
    selector, given = find_selector(name), {key: value for key, value in options.items() if value is not None}
    if not isinstance(selector, FrequencySearch):
        if given:
            raise BadInput(f"--{next(iter(given))} belongs to the selector 'frequency', not to {name!r}")
        yield selector
        return
    with Reporter(searches) as reporter:
        searched, said = 0, time.monotonic()

        def told(done: int, rounds: int, tau: float) -> None:
            nonlocal searched, said
            if time.monotonic() - said >= EVERY_S or reporter.is_live:
                said = time.monotonic()
                reporter.now(f"search {searched + 1} of {searches}: round {done} of {rounds}, tau {tau:.4f}")
            if done == rounds:
                searched += 1
                reporter.advance()

        yield replace(selector, progress=told, **given)
