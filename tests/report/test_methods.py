"""Which methods there are: installed ones and those with results, each once, with both."""

from __future__ import annotations

from typing import Any

from effbench.method_card import MethodCard
from effbench.record import Link
from effbench.report.methods import known_methods
from effbench.report.summarise import summarise

QUICK = MethodCard(
    "quick",
    "effbench",
    "0.1.0",
    "a.b:Quick",
    "Skip what repeats.",
    about="After arXiv 2401.00001.",
    papers=("2401.00001",),
)
TWIN = MethodCard("quick", "other-pack", "2.0", "c.d:Quick", problem="registered twice")


def chain(cell: Any, *uses: str) -> Any:
    links = tuple(Link(use=use) for use in uses)
    return cell.model_copy(update={"identity": cell.identity.model_copy(update={"chain": links})})


def test_installed_methods_and_those_with_results_come_together(make: Any) -> None:
    claims = ({"metric": "x", "value": 1.0, "unit": "", "setting": "s", "source": "arXiv 2402.00002, Table 1"},)
    cells = [
        chain(make.cell("ref"), "reference"),
        chain(make.cell("quick-a", order=1), "quick"),
        chain(make.cell("both", order=2, claims=claims), "quick", "gone"),
        chain(make.cell("gone-1", order=0, task="t2v", claims=claims), "gone"),
    ]
    gone = cells[3].model_copy(
        update={
            "provenance": cells[3].provenance.model_copy(update={"origins": {"method gone": "gone-pack 1.0 (g:G)"}})
        }
    )
    quick, found_gone, reference = (
        next(
            method
            for method in known_methods([QUICK, TWIN], summarise(make.view(*cells[:3], gone)))
            if method.name == name
        )
        for name in ("quick", "gone", "reference")
    )
    assert quick.cards == (QUICK, TWIN) and quick.results == {"t2i": ("quick-a", "both")}
    assert quick.papers == ("2401.00001",), "a chain's claims are of no single method"
    assert found_gone.cards == () and found_gone.origins == ("gone-pack 1.0 (g:G)",)
    assert found_gone.results == {"t2i": ("both",), "t2v": ("gone-1",)} and found_gone.papers == ("2402.00002",)
    assert reference.results == {"t2i": ("ref",)}


def test_a_search_takes_words_of_any_of_its_texts(make: Any) -> None:
    (quick,) = known_methods([QUICK], None)
    assert quick.fits([]) and quick.fits(["SKIP", "2401.00001"]) and quick.fits(["effbench"])
    assert not quick.fits(["skip", "nowhere"])
    (reference,) = known_methods([], summarise(make.view(chain(make.cell("my-row"), "reference"))))
    assert reference.fits(["my-row"]) and reference.fits(["t2i"])


def test_without_stores_the_installed_ones_remain() -> None:
    (quick,) = known_methods([QUICK], None)
    assert quick.results == {} and quick.papers == ("2401.00001",)
