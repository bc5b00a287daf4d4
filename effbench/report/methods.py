"""Every method there is: those that are installed, and those that have results in the stores shown, each with both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from effbench.method_card import MethodCard, papers_in
from effbench.report.entry import entry_names
from effbench.report.summarise import Summary

PAPER_ADDRESS = "https://arxiv.org/abs/"
"""Before an arXiv number: where the paper is read."""


@dataclass(frozen=True)
class KnownMethod:
    """A method by the name that suites use. ``cards`` are the claims to that name that are installed here, none if it is not.

    ``results`` are workload's title -> names of its entries that use it, alone or in a chain; ``origins`` where the records
    say that it comes from; ``sources`` where the claims stand that records hold of it.
    """

    name: str
    cards: tuple[MethodCard, ...]
    results: Mapping[str, tuple[str, ...]]
    origins: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def papers(self) -> tuple[str, ...]:
        """Return the arXiv numbers of the papers that it names."""
        own = [number for card in self.cards for number in card.papers]
        return tuple(dict.fromkeys([*own, *papers_in(self.sources)]))

    def fits(self, words: Sequence[str]) -> bool:
        """Return whether every word stands somewhere in what is known of the method, whatever its case."""
        texts = [self.name, *self.origins, *self.sources, *self.results]
        texts += [name for names in self.results.values() for name in names]
        for card in self.cards:
            texts += [card.distribution, card.sentence, card.text, card.about, *card.sources, *card.accepts]
        known = "\n".join(texts).casefold()
        return all(word.casefold() in known for word in words)


def known_methods(cards: Iterable[MethodCard], summary: Summary | None) -> tuple[KnownMethod, ...]:
    """Return every method that is installed or has results, by name."""
    results: dict[str, dict[str, list[str]]] = {}
    origins: dict[str, dict[str, None]] = {}
    sources: dict[str, dict[str, None]] = {}
    for workload in summary.workloads if summary is not None else ():
        for name, cell in zip(entry_names(workload), workload.cells):
            for use in dict.fromkeys(link.use for link in cell.identity.chain):
                results.setdefault(use, {}).setdefault(workload.title, []).append(name)
                if said := cell.provenance.origins.get(f"method {use}"):
                    origins.setdefault(use, {})[said] = None
            if len(cell.identity.chain) == 1:  # of a chain it is not known whose claim it is
                sources.setdefault(cell.identity.chain[0].use, {}).update(dict.fromkeys(c.source for c in cell.claims))
    installed: dict[str, list[MethodCard]] = {}
    for card in cards:
        installed.setdefault(card.name, []).append(card)
    return tuple(
        KnownMethod(
            name,
            tuple(installed.get(name, ())),
            {title: tuple(names) for title, names in results.get(name, {}).items()},
            tuple(origins.get(name, ())),
            tuple(sources.get(name, ())),
        )
        for name in sorted({*installed, *results})
    )
