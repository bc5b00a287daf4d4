"""What one process of the board takes over a store, as JSON: ``python -m bench_board.measure PART STORE``.

``functions`` times what pages are made of, ``page`` the page itself as Streamlit draws it (its test harness stands for the
browser), ``terminal`` the command ``effbench report``. Each part wants a process of its own: no peak of memory is undone.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from effbench.atomic import write_bytes

Figures = dict[str, tuple[float, float | None]]
"""What was measured -> its wall and processor seconds, or a peak of memory in MB and None."""

PEAK = "peak memory, MB"
"""Under which a part says how much memory its process took at most."""


class _Clock:
    """Wall and processor seconds by name: where other work keeps the cores busy, only the latter say what a page costs."""

    def __init__(self) -> None:
        self.figures: Figures = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        begin, begun = time.perf_counter(), time.process_time()
        yield
        self.figures[name] = time.perf_counter() - begin, time.process_time() - begun

    def note_peak(self, when: str = "") -> None:
        """Note the peak of this process's resident memory in MB (1e6 bytes)."""
        self.figures[f"{PEAK}{when}"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, None


def forget_files(store: Path) -> None:
    """Ask the kernel to drop a store's records from its cache, so that the next reading goes to the disk."""
    os.sync()
    for file in store.glob("cells/*/cell.json"):
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def functions(store: Path) -> Figures:
    """Return what reading, a first table and each filter take, and what is only made when it is asked for."""
    clock = _Clock()
    with clock("imports"):
        from effbench.report.claims import ledger_of
        from effbench.report.columns import ALL_WORD, of_slice, primary_of, slices_of
        from effbench.report.formats import render_csv
        from effbench.report.joint import stability_of
        from effbench.report.pareto import picture_of
        from effbench.report.snapshot import SHARE_LOOKING, Snapshots
        from effbench.report.tables import table_of
    stores = Snapshots()
    with clock("read a store, its files in memory"):
        summary = stores.of([store]).summary
    first, last = summary.workloads[0], summary.workloads[-1]
    with clock("first table"):
        table_of(first)
    with clock("look again, nothing changed"):
        stores.of([store])
    if last is not first:
        with clock("table of another task"):
            table_of(last)
    with clock("table of a slice"):
        table_of(first, of_slice(first, slices_of(first)[0]))
    with clock("table of every number"):
        table_of(first, (ALL_WORD,))
    clock.note_peak(", after the tables")
    time.sleep(clock.figures["look again, nothing changed"][0] / SHARE_LOOKING)  # before that nobody looks again
    with _one_finished(store, first.cells[-1].id), clock("look again, one cell finished, its table"):
        changed = stores.of([store]).summary
        table_of(changed.workloads[0])
    assert changed.workloads[0] is not first and (last is first or changed.workloads[-1] is last)
    with clock("asked for: claims"):
        ledger_of(first)
    with clock("asked for: Pareto, with probabilities up to 200 methods"):
        picture_of(first, ("latency", "quality"))
    with clock("asked for: share of ranks kept, up to 200 methods"):
        column = primary_of(first, "quality")
        assert column is not None
        stability_of(first, column)
    with clock("asked for: CSV"):
        render_csv(first.numbers)
    clock.note_peak(", after all")
    return clock.figures


@contextmanager
def _one_finished(store: Path, cell_id: str) -> Iterator[None]:
    """Have a cell finish anew for as long as this lasts."""
    file = store / "cells" / cell_id / "cell.json"
    before = file.read_bytes()
    record = json.loads(before)
    write_bytes(file, json.dumps(record | {"finished_utc": "2026-12-01T00:00:00+00:00"}).encode())
    try:
        yield
    finally:
        write_bytes(file, before)


def page(store: Path) -> Figures:
    """Return what a visitor waits for on a server that has just started, on one that has read the store, and for filters."""
    clock = _Clock()
    with clock("imports"):
        from streamlit.testing.v1 import AppTest

        import effbench_leaderboard

    app = Path(str(effbench_leaderboard.__file__)).with_name("app.py")
    os.environ["EFFBENCH_BOARD_STORES"] = str(store)
    sys.argv = ["app.py"]

    def visit(**where: str) -> AppTest:
        board = AppTest.from_file(str(app), default_timeout=600)
        for name, value in where.items():
            board.query_params[name] = value
        return _ran(board.run())

    forget_files(store)
    with clock("first table, server just started, files on disk"):
        visit(page="Results")
    with clock("first table, warm"):
        board = visit(page="Results")
    with clock("start page, first time"):
        visit(page="Start")
    with clock("start page, warm"):
        visit(page="Start")
    tasks = board.selectbox(key="task").options
    for name, change in _filters(tasks):
        with clock(f"filter: {name}"):
            change(board)
            _ran(board.run())
    clock.note_peak()
    return clock.figures


def _filters(tasks: list[str]) -> list[tuple[str, Callable[[Any], Any]]]:
    """Return the choices that are timed, one after the other: each widget by its key."""
    found: list[tuple[str, Callable[[Any], Any]]] = []
    if len(tasks) > 1:
        found.append(("another task", lambda board: board.selectbox(key="task").set_value(tasks[-1])))
    return [
        *found,
        ("a slice", lambda board: board.selectbox(key="slice").set_value(board.selectbox(key="slice").options[1])),
        (
            "all samples again",
            lambda board: board.selectbox(key="slice").set_value(board.selectbox(key="slice").options[0]),
        ),
        ("simulated methods only", lambda board: board.multiselect(key="f_execution").set_value(["simulated"])),
        ("another order", lambda board: board.selectbox(key="order").set_value("name")),
        ("a word of the name", lambda board: board.text_input(key="q").set_value("mixdq")),
    ]


def _ran(board: Any) -> Any:
    if board.exception or board.error:
        raise SystemExit(f"the page failed: {[e.value for e in (*board.exception, *board.error)]}")
    return board


def terminal(store: Path) -> Figures:
    """Return what ``effbench report`` takes, in a process of its own."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "effbench", "report", str(store)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = time.perf_counter() - begin, cpu
    return {"all tables, with the start of the command": seconds, PEAK: (after.ru_maxrss * 1024 / 1e6, None)}


PARTS: dict[str, Callable[[Path], Figures]] = {"functions": functions, "page": page, "terminal": terminal}


if __name__ == "__main__":
    print(json.dumps(PARTS[sys.argv[1]](Path(sys.argv[2]))))
