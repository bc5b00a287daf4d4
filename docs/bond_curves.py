"""Draws energies over the bond length from a store of suites/vmc-curves.yaml and puts its table into docs/vmc.md.

``make vmc-curves``. Tasks are named MOLECULE-LENGTH; full CI is what the tasks compare with.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from effbench.record import CellRecord
from effbench.report.curve_panels import PALETTE
from effbench.report.rounding import rounded
from effbench.section import replace_section
from effbench.store import read_store

DOCS = Path(__file__).parent
"""Where the page and its pictures stand."""
TITLES = {"h4": "H4 chain, all bonds", "h2o": "H2O, both bonds", "n2": "N2"}
"""Prefix of the molecules' names in a suite -> title of their picture."""
ENERGY, ERROR = "energy_ha", "energy_error_mha"
"""Numbers of a record that are drawn, as the task names them."""


@dataclass(frozen=True)
class Point:
    """What a method found at one length: Hartree, mHa above full CI, and what the record says beside it."""

    energy_ha: float
    error_mha: float
    remarks: tuple[str, ...]


Curve = dict[float, Point]


def curves_of(cells: Sequence[CellRecord]) -> dict[str, dict[str, Curve]]:
    """Return molecule -> method -> length in Angstrom -> point; a cell without an energy (CCSD, at times) has none."""
    found: dict[str, dict[str, Curve]] = {}
    for cell in cells:
        molecule, _, length = cell.task_id.rpartition("-")
        numbers = {number.name: number for number in cell.numbers}
        energy, error = (numbers.get(name) for name in (ENERGY, ERROR))
        if energy is None or error is None or energy.value is None or error.value is None:
            continue
        curve = found.setdefault(molecule, {}).setdefault(cell.method_id, {})
        curve[float(length)] = Point(energy.value, error.value, error.flags)
    return found


def table_of(curves: dict[str, dict[str, Curve]]) -> str:
    """Return a Markdown table, a row per length, errors to full CI in mHa; remarks are footnotes."""
    methods = list(dict.fromkeys(method for of_one in curves.values() for method in of_one))
    said = list(dict.fromkeys(r for o in curves.values() for c in o.values() for p in c.values() for r in p.remarks))
    lines = [
        f"| molecule | length (Angstrom) | full CI (Ha) | {' | '.join(methods)} |",
        f"| :-- | --: | --: | {' | '.join('--:' for _ in methods)} |",
    ]
    for molecule, of_one in curves.items():
        for length in sorted({length for curve in of_one.values() for length in curve}):
            points = [of_one.get(method, {}).get(length) for method in methods]
            exact = next(p.energy_ha - p.error_mha / 1e3 for p in points if p is not None)
            shown = " | ".join("" if p is None else _entry(p, said) for p in points)
            lines.append(f"| {molecule} | {length:g} | {exact:.6f} | {shown} |")
    notes = [f"{_mark(at)} {sentence}  " for at, sentence in enumerate(said)]
    return "\n".join(
        [*lines, "", "Energies above full CI in mHa; an empty field was not run or did not converge.  ", *notes]
    )


def _entry(point: Point, said: Sequence[str]) -> str:
    return rounded(point.error_mha, None, None)[0] + "".join(_mark(said.index(remark)) for remark in point.remarks)


def _mark(at: int) -> str:
    return "ᵃᵇᶜᵈᵉ"[at % 5]


def draw(curves: dict[str, dict[str, Curve]], out: Path) -> None:
    """Write the picture: energies above, errors to full CI below; rings are trainings that had not ended."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, len(curves), figsize=(4.3 * len(curves), 7.2), layout="constrained", squeeze=False)
    methods = list(dict.fromkeys(method for of_one in curves.values() for method in of_one))
    colours = dict(zip(methods, PALETTE))
    for (above, below), (molecule, of_one) in zip(panels.T, curves.items()):
        exact = {r: p.energy_ha - p.error_mha / 1e3 for curve in of_one.values() for r, p in sorted(curve.items())}
        above.plot(*zip(*sorted(exact.items())), color="black", lw=1, ls="--", label="full CI")
        for method, curve in of_one.items():
            ordered = dict(sorted(curve.items()))
            style = {"color": colours[method], "marker": "o", "markersize": 3.5, "lw": 1.3, "label": method}
            above.plot(list(ordered), [p.energy_ha for p in ordered.values()], **style)
            below.plot(list(ordered), [p.error_mha for p in ordered.values()], **style)
            open_ends = {r: p.error_mha for r, p in ordered.items() if p.remarks}
            below.plot(list(open_ends), list(open_ends.values()), "o", mfc="none", mec=colours[method], ms=9)
        below.axhline(0, color=PALETTE[6], lw=0.8)
        below.axhspan(-1.6, 1.6, color=PALETTE[7], alpha=0.3, lw=0, label="chemical accuracy")
        below.set_yscale("symlog", linthresh=1.6)
        above.set_title(TITLES.get(molecule, molecule), loc="left")
        below.set_xlabel("bond length (Angstrom)")
        below.legend(fontsize=8)
        for axes in (above, below):
            axes.grid(alpha=0.3)
    panels[0, 0].set_ylabel("energy (Ha), STO-3G")
    panels[1, 0].set_ylabel("energy above full CI (mHa)")
    figure.savefig(out, dpi=120)


def main() -> None:
    """Write the picture and the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--page", type=Path, default=DOCS / "vmc.md")
    parser.add_argument("--out", type=Path, default=DOCS / "img" / "bond-curves.png")
    given = parser.parse_args()
    curves = curves_of(read_store(given.store).cells)
    replace_section(given.page, "curves", table_of(curves))
    draw(curves, given.out)
    print(f"wrote {given.page} and {given.out}")


if __name__ == "__main__":
    main()
