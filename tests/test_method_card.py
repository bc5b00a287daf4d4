"""What installed methods say of themselves is read by a process of its own, and is what ``effbench describe`` prints."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest

from effbench import method_card, registry
from effbench.describing import all_methods, kind_of
from effbench.method_card import MethodCard, installed_methods, papers_in, registered_methods


def of_effbench(cards: tuple[MethodCard, ...]) -> tuple[MethodCard, ...]:
    """Return the cards of what this repository registers: other tests put a package on the path of this process alone."""
    return tuple(card for card in cards if card.distribution == "effbench")


def test_cards_are_read_without_loading_a_plugin_or_torch() -> None:
    code = (
        "import sys; from effbench.method_card import *; cards = installed_methods(); "
        "print(sum(c.distribution == 'effbench' for c in cards), "
        "[m for m in ('torch', 'effbench_baselines.vidit_q', 'effbench.registry') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split(" ", 1) == [str(len(of_effbench(registered_methods()))), "[]\n"]


def test_the_process_gives_the_same_cards_as_reading_here() -> None:
    cards = of_effbench(installed_methods())
    assert cards == of_effbench(all_methods())
    assert [card.name for card in cards] == [card.name for card in of_effbench(registered_methods())]
    (card,) = (card for card in cards if card.name == "vidit-q")
    plugin: Any = registry.methods.get("vidit-q")
    assert card.sentence == plugin.__doc__ and card.papers == ("2406.02540",)
    assert card.about.startswith("ViDiT-Q: ") and card.problem == "" and card.prepares
    assert {p.name for p in card.parameters} == set(plugin.Params.model_fields)
    assert card.sources == tuple(dict.fromkeys(claim.source for claim in plugin.claims))


def test_a_module_of_several_methods_lends_its_papers_to_none() -> None:
    papers = {card.name: card.papers for card in installed_methods()}
    assert papers["svdquant"] == ("2411.05007",)
    assert papers["dit-fast-attn-optimal"] == ()  # the number in its module is of dit-fast-attn-v2
    assert papers["dit-fast-attn-v2"] == ("2503.22796",)


@pytest.mark.parametrize("program", ["import sys; sys.exit(3)", "print('no json')", "print('[{}]')"])
def test_where_that_process_fails_every_method_is_still_listed(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    real = subprocess.run

    def run(command: Any, **rest: Any) -> Any:
        return real([sys.executable, "-c", program], **rest)

    monkeypatch.setattr(method_card.subprocess, "run", run)
    cards = installed_methods()
    assert [card.name for card in cards] == [card.name for card in registered_methods()]
    assert all("effbench doctor" in card.problem and not card.sentence for card in cards)


def test_a_process_that_takes_for_ever_is_ended_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any, **__: Any) -> Any:
        raise subprocess.TimeoutExpired("x", 1)

    monkeypatch.setattr(method_card.subprocess, "run", run)
    assert all("took longer" in card.problem for card in installed_methods())


def test_a_broken_plugin_keeps_its_place_with_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(name: str) -> Any:
        raise registry.BadInput(f"method {name!r} cannot be imported")

    monkeypatch.setattr(registry.methods, "get", get)
    cards = all_methods()
    assert cards and all(isinstance(card, MethodCard) and "cannot be imported" in card.problem for card in cards)


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (int, "int"),
        (float | None, "float | None"),
        (Literal["a", "b"], "'a' | 'b'"),
        (Literal["D1"] | Annotated[float, "at least 0"], "'D1' | float"),
        (tuple[int, ...], "tuple[int, ...]"),
        (tuple[Annotated[float, "a share"], int], "tuple[float, int]"),
    ],
)
def test_types_read_as_one_writes_them(annotation: Any, said: str) -> None:
    assert kind_of(annotation) == said


def test_papers_are_numbers_of_arxiv() -> None:
    assert papers_in(["(Li, arXiv 2411.05007)", "arXiv:2411.05007 and ARXIV 1234.5678; 2401.1234"]) == (
        "2411.05007",
        "1234.5678",
    )
