"""Mutated stores: every reader succeeds or says one sentence, nothing outside is read, and nothing shown does anything."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mutants import mutate
from seeds import write_seeds
from showing import draw_all, show_all, unsafe

from effbench.report.summarise import summarise
from effbench.store import read_store

APP = Path(__file__).parent.parent.parent / "leaderboard" / "app.py"
CANARY = "canary-7f3a9"
_watched: list[tuple[str, list[str]]] = []


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    """Note every file that is opened below a watched folder; a hook of the interpreter can never be removed."""
    if event == "open" and _watched and isinstance(arguments[0], str | bytes):
        folder, seen = _watched[-1]
        path = str(Path(str(arguments[0])).resolve())
        if path.startswith(folder):
            seen.append(path)


sys.addaudithook(_listen)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    """Return the seed stores, and their twins that stand outside with the canary in every text."""
    base = tmp_path_factory.mktemp("fuzz")
    return write_seeds(base / "in"), write_seeds(base / "outside", CANARY)


def fuzz(numbers: range, seeds: tuple[list[Path], list[Path]], folder: Path, every: int) -> Counter[str]:
    """Try the mutants of some numbers, their pictures too once in so many; return how many texts of each kind they gave."""
    counts: Counter[str] = Counter()
    for number in numbers:
        which = number % len(seeds[0])
        store, outside = folder / f"m{number}", seeds[1][which]
        shutil.copytree(seeds[0][which], store)
        opened: list[str] = []
        done = mutate(number, store, outside)
        _watched.append((str(outside), opened))
        try:
            # Two mutants in a row are of the two seeds.
            pictures = draw_all(store) if number % every < len(seeds[0]) else ()
            for what, text in (*show_all(store, seeds[0][which]), *pictures):
                counts[what] += 1
                assert not (why := unsafe(what, text)), f"mutant {number} ({done}), {what}: {why}"
                assert CANARY not in text or what == "refused", f"mutant {number} ({done}): {what} shows the canary"
        except (AssertionError, KeyboardInterrupt):
            raise
        except BaseException as error:
            error.add_note(f"mutant {number}: {done}")
            raise
        finally:
            _watched.pop()
        assert not opened, f"mutant {number} ({done}) read {opened[0]}"
        shutil.rmtree(store)
    return counts


def test_the_seeds_themselves_are_shown_in_every_format(seeds: tuple[list[Path], list[Path]]) -> None:
    for store in seeds[0]:
        kinds = Counter(what for what, _ in show_all(store))
        assert kinds["html"] == kinds["latex"] == 1 and kinds["json"] == 2
        drawn = [*draw_all(store)]
        assert [what for what, _ in drawn][:2] == ["svg", "html"] and not any(
            unsafe(what, text) for what, text in drawn
        )
    assert any(CANARY in text for _, text in show_all(seeds[1][1]))


@pytest.mark.whole
def test_a_hundred_mutants(seeds: tuple[list[Path], list[Path]], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        counts = fuzz(range(110), seeds, tmp_path, 50)
    assert counts["refused"] > 30 and counts["html"] > 30  # both ends are reached


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.filterwarnings("ignore")
def test_thousands_of_mutants_pictures_too(seeds: tuple[list[Path], list[Path]], tmp_path: Path) -> None:
    counts = fuzz(range(1000, 4000), seeds, tmp_path, 10)
    print(f"3,000 mutants: {dict(counts)}")


TABS = ("Board", "Pareto", "Compare", "Convergence", "Samples", "Claims", "Subsets", "Entry")
"""Every tab of the board; one that a store does not fill is not there, and the first is drawn in its place."""


def board_over(numbers: range, seeds: tuple[list[Path], list[Path]], folder: Path, monkeypatch: Any) -> int:
    """Open the board over some mutants beside a whole store, each at another tab; return how many it refused."""
    from streamlit.testing.v1 import AppTest

    refused, title = 0, summarise(read_store(seeds[0][0])).workloads[0].title
    for number in numbers:
        store = Path(shutil.copytree(seeds[0][number % 2], folder / f"m{number}"))
        done = mutate(number, store, seeds[1][number % 2])
        monkeypatch.setenv("EFFBENCH_BOARD_STORES", os.pathsep.join(map(str, (store, seeds[0][0]))))
        page = ("Start", "Results")[bool(number % (len(TABS) + 1))]
        tab = TABS[number % (len(TABS) + 1) - 1]
        board = AppTest.from_file(str(APP), default_timeout=120)
        board.query_params["page"], board.query_params["tab"] = page, tab
        board.run()
        assert not board.exception, f"mutant {number} ({done}), {page} {tab}: {board.exception[0].value}"
        shown = "".join(html.proto.body for html in board.get("html"))
        assert CANARY not in shown, f"mutant {number} ({done}), {page} {tab} shows the canary"
        assert page == "Results" or title in shown, f"mutant {number} ({done}): the whole store is missing"
        refused += bool(board.error)
        shutil.rmtree(store, ignore_errors=True)
    return refused


def test_the_board_stands_over_some_mutants(
    seeds: tuple[list[Path], list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 0 < board_over(range(5000, 5018), seeds, tmp_path, monkeypatch) < 18


@pytest.mark.slow
@pytest.mark.timeout(6000)
@pytest.mark.filterwarnings("ignore")
def test_the_board_stands_over_two_thousand_mutants(
    seeds: tuple[list[Path], list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 200 < board_over(range(6000, 8000), seeds, tmp_path, monkeypatch) < 1800


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("latex", "% ours\n\\input{/etc/passwd}"), ("latex", "% ours\n{a"), ("latex", "% ours\na}{"), ("latex", "% ours\n$x"),
        ("latex", "% ours\n100% sure"), ("svg", "<svg><script/></svg>"), ("svg", "<svg><a/></svg>"), ("html", "<img src=x>"),
        ("html", "<svg onload=x>"), ("html", "<use xlink:href='http://x/y#z'>"), ("html", "<b onclick=x>"), ("md", "![x](y)"),
        ("md", "a [x](y)"), ("csv", "a\n=1+1\n"), ("table", "a\x1b[31m"), ("table", "a\u202eb"), ("refused", "a\nb"),
    ],
)  # fmt: skip
def test_what_is_looked_for_is_seen(what: str, text: str) -> None:
    assert unsafe(what, text)


@pytest.mark.parametrize(
    ("what", "text"),
    [("latex", "% ours\n\\textbf{a\\_b} $\\times$ 5\\% {!}{%\n}"), ("svg", "<svg><g><path/></g></svg>"),
     ("html", "<use xlink:href='#m'><b class='x'>&lt;img&gt;"), ("md", "\\[x\\](y) 1"), ("csv", "a\n-1.5\n'=1\n")],
)  # fmt: skip
def test_what_is_harmless_is_let_pass(what: str, text: str) -> None:
    assert not unsafe(what, text)
