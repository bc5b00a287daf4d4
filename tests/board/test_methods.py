"""The page of methods: installed ones and those with results, found by words, with links that lead to their entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from effbench.method_card import MethodCard, Parameter
from effbench.record import Link
from effbench_leaderboard import methods
from effbench_leaderboard.methods import MOST_ENTRIES, prose

HOSTILE = "![p](http://evil.example/p.png) <img src=x> :red[a] $x$"
QUICK = MethodCard(
    "quick", "effbench-quick", "1.2", "quick.method:Quick", "Skip what ``repeats`` itself.", "More of it.",
    "Quick (A et al., arXiv 2401.00001).\n\nUnlike the released code: *nothing*.", ("2401.00001",), ("Table 1 of it",),
    (Parameter("share", "float", "0.5", "How much is `skipped`."), Parameter("must", "'a' | 'b'", "", HOSTILE)),
    ("DiffusionSystem",), "real", True, ("linear/*",),
)  # fmt: skip
BROKEN = MethodCard("broken", "bad-pack", "0.1", "bad:Bad", problem=f"cannot be imported: {HOSTILE}")

PAGE = """
import os
from pathlib import Path
from effbench.report.summarise import summarise_stores
from effbench.store import read_store
from effbench_leaderboard.methods import show_methods

stores = [Path(name) for name in os.environ["EFFBENCH_BOARD_STORES"].split(os.pathsep) if name]
show_methods(summarise_stores([read_store(store) for store in stores]) if stores else None)
"""


@pytest.fixture
def open_methods(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    """Run the page over a store, with two installed methods."""
    st.cache_resource.clear()
    monkeypatch.setattr(methods, "registered_methods", lambda: (QUICK, BROKEN))
    monkeypatch.setattr(methods, "installed_methods", lambda: (QUICK, BROKEN))

    def run(store: Path | str = "", **address: str) -> AppTest:
        monkeypatch.setenv("EFFBENCH_BOARD_STORES", str(store))
        page = AppTest.from_string(PAGE, default_timeout=60)
        for name, value in address.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception
        return page

    yield run
    st.cache_resource.clear()


def labels(page: AppTest) -> list[str]:
    """The methods that are listed, below the way to submit."""
    first, *methods = [expander.label.replace("\\", "") for expander in page.expander]
    assert first == "Submit a method of your own"
    return methods


def uses(cell: object, *names: str) -> object:
    identity = cell.identity.model_copy(update={"chain": tuple(Link(use=name) for name in names)})  # type: ignore[attr-defined]
    return cell.model_copy(update={"identity": identity})  # type: ignore[attr-defined]


def test_every_method_is_listed_with_what_it_says_of_itself(open_methods: Callable[..., AppTest]) -> None:
    page = open_methods()
    assert labels(page) == ["**broken** :gray[cannot be used here]", "**quick** Skip what `repeats` itself."]
    text = "\n".join(markdown.value for markdown in page.expander[2].markdown)
    assert "[arXiv 2401.00001](https://arxiv.org/abs/2401.00001)" in text and "Table 1 of it" in text
    assert r"Unlike the released code\: \*nothing\*." in text and "More of it." in text
    assert "effbench-quick 1.2" in text and "`quick.method:Quick`" in text and "DiffusionSystem" in text
    assert "- `share` float, default `0.5`. How much is `skipped`." in text
    assert r"- `must` 'a' \| 'b', required. " in text
    assert page.expander[1].error[0].value.startswith(r"cannot be imported\: ")
    assert "2 of 2 methods." in page.caption[0].value


def test_text_of_packages_is_no_markup(open_methods: Callable[..., AppTest]) -> None:
    import re

    page = open_methods()
    texts = [element.value for kind in ("markdown", "error", "caption") for element in page.get(kind)]
    assert sum("evil" in text for text in texts) == 2
    links = re.compile(r"\[arXiv [\d.]+\]\(https://arxiv\.org/abs/[\d.]+\)")
    assert not [text for text in texts if re.search(r"(?<!\\)(!\[|\]\(|:red\[|\$|<img)", links.sub("", text))]


def test_results_link_to_their_entries(
    open_methods: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    cells = [uses(make.cell("ref"), "reference")]
    cells += [uses(make.cell(f"quick({n})", order=n + 1), "quick") for n in range(MOST_ENTRIES + 2)]
    page = open_methods(write_store("quick", cells))
    assert labels(page)[2] == "**reference** :gray[not installed here]"
    _, line, other = (element.proto.body for element in page.get("html"))
    first = unescape(line.partition('href="?')[2].partition('"')[0])
    assert parse_qs(first) == {"task": ["t2i"], "tab": ["Entry"], "method": ["quick(0)"]}
    assert line.count("<a ") == MOST_ENTRIES and line.endswith(" and 2 more</p></div>")
    assert ">ref</a>" in other
    assert [caption.value for caption in page.expander[1].caption] == ["No results in the stores shown."]


def test_names_in_results_are_no_markup(
    open_methods: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    page = open_methods(write_store("hostile", [uses(make.cell(HOSTILE, task='"><b>'), "quick")]))
    _, line = (element.proto.body for element in page.get("html"))
    assert "&lt;img" in line and "<img" not in line and '"><b>' not in line.replace("<p><b>", "")


def test_words_and_results_narrow_the_list_and_stand_in_the_address(
    open_methods: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    store = write_store("quick", [uses(make.cell("ref"), "reference")])
    page = open_methods(store, find="released arxiv")
    assert labels(page) == ["**quick** Skip what `repeats` itself."]
    page.text_input("find").set_value("ref").run()
    assert labels(page)[0].startswith("**reference**"), "a name before texts"
    page.text_input("find").set_value("nowhere").run()
    assert not labels(page) and "0 of 3 methods." in page.caption[0].value
    page = open_methods(store, with_results="true")
    assert labels(page) == ["**reference** :gray[not installed here]"]


def test_how_to_submit_can_be_copied(open_methods: Callable[..., AppTest]) -> None:
    page = open_methods()
    assert "effbench submit results/mine --method half-steps --licence CC-BY-4.0 --by YOUR-LOGIN" in [
        block.value for block in page.code
    ]
    assert any("docs/submitting.md" in markdown.value for markdown in page.markdown)


def test_docstrings_read_as_prose() -> None:
    assert prose("Runs ``a*b`` and\n    `c`, not *d*.") == r"Runs `a*b` and `c`, not \*d\*."
