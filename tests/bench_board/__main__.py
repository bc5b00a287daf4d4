"""``make bench-board``: generates the two stores where they are missing, measures them, and writes docs/board-speed.md."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench_board.measure import PARTS, PEAK, Figures
from bench_board.stores import StoreSize, write_store
from effbench.kernels import isa
from effbench.measure.machine import facts
from effbench.section import replace_section

SIZES = (StoreSize(tasks=50, methods=200, samples=200), StoreSize(tasks=1, methods=2000, samples=1000))
"""Many tasks of few methods, and one task of very many; either holds two million rows of samples."""
TITLES = {
    "functions": "What pages are made of",
    "page": "The page, drawn by Streamlit (AppTest in the place of a browser)",
    "terminal": "`effbench report`",
}
GOALS = {"first table, warm": 2.0, "filter": 0.5, PEAK: 1000 * 1.073741824}
"""Beginning of a row of the page -> what it may take at most (issue 22): seconds, and 1 GiB in MB."""


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(prog="make bench-board", description=main.__doc__)
    parser.add_argument(
        "--results", type=Path, default=Path("results/board"), help="where the generated stores are kept"
    )
    parser.add_argument("--page", type=Path, help="Markdown page whose section is replaced")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    given = parser.parse_args()
    lines: list[str] = [*_setting(given.repeats)]
    for size in SIZES:
        store, seconds = given.results / size.name, 0.0
        if not store.is_dir():
            begin = time.perf_counter()
            write_store(store, size)
            seconds = time.perf_counter() - begin
        lines += ["", *_described(size, store, seconds)]
        for part in given.parts:
            found = [_measured(part, store) for _ in range(given.repeats)]
            lines += ["", *_table(TITLES[part], part, found)]
            print("\n".join(lines[-len(found[0]) - 3 :]), flush=True)
    if given.page:
        replace_section(given.page, "figures", "\n".join(lines))


def _measured(part: str, store: Path) -> Figures:
    """Return what a fresh process measures."""
    command = [sys.executable, "-W", "ignore", "-m", "bench_board.measure", part, str(store)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{part} of {store} failed")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _setting(repeats: int) -> Iterator[str]:
    """Yield on what the figures were made."""
    cores = facts()["cores"]
    yield (
        f"{datetime.now(UTC):%Y-%m-%d}, {facts()['cpu_model']} ({isa.current().vectors}, {cores} cores), "
        f"{facts()['memory_gb']:g} GB, Python {platform.python_version()}, Streamlit {version('streamlit')}, "
        f"pydantic {version('pydantic')}. Median of {repeats} fresh processes, the least and the largest in brackets; "
        "seconds, and MB (1e6 bytes)."
    )


def _described(size: StoreSize, store: Path, seconds: float) -> Iterator[str]:
    """Yield a store's heading, with what it holds."""
    files = [file for file in store.rglob("*") if file.is_file()]
    size_mb = sum(file.stat().st_size for file in files) / 1e6
    cells = size.tasks * size.methods
    yield f"### {size.tasks} x {size.methods:,}"
    yield ""
    yield (
        f"{cells:,} cells ({size.tasks} tasks of {size.methods:,} methods), {cells * size.samples:,} rows of samples, "
        f"{len(files):,} files, {size_mb:,.0f} MB" + (f"; generated in {seconds:.0f} s." if seconds else ".")
    )


def _table(title: str, part: str, found: Sequence[Figures]) -> Iterator[str]:
    """Yield a Markdown table of what a part measured."""
    has_goals = part == "page"
    yield f"| {title} | wall | processor |" + (" goal |" if has_goals else "")
    yield "|---|--:|--:|" + ("--:|" if has_goals else "")
    for name in found[0]:
        walls, seconds = zip(*(figures[name] for figures in found))
        goal = next((most for begin, most in GOALS.items() if name.startswith(begin)), None)
        end = f" {_number(name, goal)} |" if goal is not None else " |"
        spent = "" if None in seconds else _spread(name, seconds)
        yield f"| {name} | {_spread(name, walls)} | {spent} |{end if has_goals else ''}"


def _spread(name: str, values: Sequence[float]) -> str:
    """Return the median with the least and the largest."""
    return f"{_number(name, median(values))} ({_number(name, min(values))}-{_number(name, max(values))})"


def _number(name: str, value: float) -> str:
    return f"{value:,.0f}" if name.startswith(PEAK) else f"{value:.3f}" if value < 0.0995 else f"{value:.2f}"


if __name__ == "__main__":
    main()
