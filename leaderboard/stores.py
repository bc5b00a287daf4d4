"""The stores that a board shows: which they are, what can be read of them, and what their manifests allow."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import streamlit as st

from effbench.counted import counted
from effbench.errors import BadInput, StoreError
from effbench.report.facets import NOT_STATED
from effbench.report.snapshot import Snapshot, Snapshots
from effbench.stores import stores_below
from effbench.submission.manifest import NAME, read_manifest
from effbench_leaderboard.text import code, escape

STORES_VARIABLE = "EFFBENCH_BOARD_STORES"
"""Names stores to a page that Streamlit was told to serve without arguments (a container, a test)."""

REFRESH_S = 5
"""Seconds after which a store that a run is still writing is looked at again; a cell takes longer to finish."""


MOST_NAMED = 3
"""Unfinished cells that are named; the others are counted, or a run's first minutes fill the page."""

DEMO = Path(__file__).parent / "demo"
"""Holds the stores that come with the board (``make demo-store`` renews them), shown where no other one is named."""


def store_paths() -> tuple[list[Path], bool]:
    """Return the stores to show, and whether they are the demo.

    They are those of the environment variable where it is set, else the arguments, else the demo.
    """
    variable = os.environ.get(STORES_VARIABLE)
    named = variable.split(os.pathsep) if variable is not None else sys.argv[1:]
    paths = [store for name in dict.fromkeys(named) if name for store in stores_below(Path(name))]
    return (paths, False) if paths else (sorted(DEMO.iterdir()), True)


@st.cache_resource(show_spinner=False)
def _snapshots() -> Snapshots:
    """Return what this server has read, for all its visitors."""
    return Snapshots()


def read(paths: Sequence[Path]) -> Snapshot:
    """Return what the stores hold; say of each that cannot be read why, and of each unfinished one how far it is."""
    found = _snapshots().of(paths)
    for _, sentence in found.unreadable:
        st.error(escape(sentence), icon=":material/error:")
    for view in found.views:
        if view.unfinished:
            all_cells = len(view.cells) + len(view.unfinished)
            names = ", ".join(map(code, view.unfinished[:MOST_NAMED]))
            more = len(view.unfinished) - MOST_NAMED
            st.info(
                f"{escape(view.path.name)}: {len(view.cells)} of {counted(all_cells, 'cell')} finished; not yet {names}"
                f"{f' and {more} more' if more > 0 else ''}. This page follows as they come.",
                icon=":material/hourglass_empty:",
            )
    if any(view.unfinished for view in found.views):
        _watch(found.key, paths)
    return found


@st.fragment(run_every=REFRESH_S)
def _watch(seen: str, paths: Sequence[Path]) -> None:
    """Draw the page again once a store holds something else."""
    if _snapshots().of(paths).key != seen:
        st.rerun()


def licences_of(stores: Iterable[Path]) -> dict[Path, str]:
    """Return store -> licence of its results, of those that are submissions with a readable manifest."""
    found = {}
    for store in stores:
        if not (store / NAME).is_file():
            continue
        try:
            found[store] = read_manifest(store).licence
        except (BadInput, StoreError):
            found[store] = NOT_STATED
    return found
