"""Draws energies over the bond length from a store of suites/vmc-n2.yaml (``make vmc-n2``)."""

import argparse
from pathlib import Path

from effbench.parts import SCORE, read_parts
from effbench.report.curve_panels import PALETTE
from effbench.store import SAMPLE_KEY, CellFolder, read_store

EXACT = "pyscf(solver=fci)"


def points_of(store: Path) -> dict[str, dict[float, float]]:
    """Return method -> bond length in Angstrom -> energy in Hartree, of the first seed."""
    found: dict[str, dict[float, float]] = {}
    for cell in read_store(store).cells:
        table = read_parts(CellFolder(store / "cells" / cell.id).samples, SAMPLE_KEY)
        if table is None:  # CCSD, where it does not converge
            continue
        rows = zip(table["sample_id"].to_pylist(), table["seed"].to_pylist(), table[f"{SCORE}energy_ha"].to_pylist())
        energies = {float(name.partition("-")[2]): value for name, seed, value in rows if seed == cell.seeds[0]}
        found.setdefault(cell.method_id, {}).update(energies)
    return {method: dict(sorted(energies.items())) for method, energies in found.items()}


def main() -> None:
    """Write the picture: energies above, errors to full CI below."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "img" / "n2-curve.png")
    given = parser.parse_args()
    import matplotlib.pyplot as plt

    curves = points_of(given.store)
    exact = curves[EXACT]
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(6.4, 7.2), layout="constrained")
    for colour, (method, energies) in zip(PALETTE, curves.items()):
        shared = [length for length in energies if length in exact]
        style = {"color": colour, "marker": "o", "markersize": 3.5, "lw": 1.3}
        above.plot(list(energies), list(energies.values()), label=method, **style)
        if method != EXACT:
            below.plot(shared, [1e3 * (energies[length] - exact[length]) for length in shared], label=method, **style)
    below.axhline(0, color=PALETTE[6], lw=0.8)
    below.axhspan(-1.6, 1.6, color=PALETTE[7], alpha=0.3, lw=0, label="chemical accuracy")
    below.set_yscale("symlog", linthresh=1.6)
    above.set_ylabel("energy (Ha)")
    below.set_ylabel("energy above full CI (mHa)")
    below.set_xlabel("bond length (Angstrom)")
    below.legend(fontsize=8)
    for axes in (above, below):
        axes.grid(alpha=0.3)
    above.set_title("N2, STO-3G, pulled apart", loc="left")
    figure.savefig(given.out, dpi=150)
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
