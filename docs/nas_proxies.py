"""Puts the rank correlations of a table's low-fidelity columns with its truth into docs/nas.md (``make nas-201``)."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from effbench.nas.tables import NasTable, read_table
from effbench.section import replace_section
from effbench.stats.rank import kendall_tau

DOCS = Path(__file__).parent
"""Where the page stands."""
RESAMPLES = 2000
"""Of the architectures: enough for two digits of an interval."""


def correlations(table: NasTable) -> dict[str, tuple[float, float, float, float]]:
    """Return column -> Spearman's rho with the truth, its 95 % interval's ends, and Kendall's tau; the highest rho first.

    Intervals are percentiles over resampled architectures, ranked once: no two of the table are isomorphs.
    """
    truth, found = rankdata(table.truth), {}
    drawn = np.random.default_rng(0).integers(0, len(truth), (RESAMPLES, len(truth)))
    for name, values in table.columns.items():
        ranks = rankdata(values)
        rho = float(np.corrcoef(ranks, truth)[0, 1])
        again = [np.corrcoef(ranks[rows], truth[rows])[0, 1] for rows in drawn]
        low, high = np.percentile(again, [2.5, 97.5])
        found[name] = (rho, float(low), float(high), kendall_tau(values, table.truth) or 0.0)
    return dict(sorted(found.items(), key=lambda item: -item[1][0]))


def page(table: NasTable) -> str:
    """Return the section of the page."""
    lines = [
        f"Of {len(table.codes)} cells, table revision {table.revision}; costs are means over cells, where it was run.",
        "",
        "| column | Spearman's rho | 95 % interval | Kendall's tau | core seconds a cell |",
        "|---|---|---|---|---|",
    ]
    for name, (rho, low, high, tau) in correlations(table).items():
        lines.append(f"| {name} | {rho:.2f} | {low:.2f} to {high:.2f} | {tau:.2f} | {table.costs[name].cost_s:.3g} |")
    return "\n".join([*lines, *(f"\n{name} was left out: {why}." for name, why in table.left_out.items())])


def main() -> None:
    """Replace the section ``nas-proxies``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--page", type=Path, default=DOCS / "nas.md")
    given = parser.parse_args()
    replace_section(given.page, "nas-proxies", page(read_table(given.table)))
    print(f"wrote {given.page}")


if __name__ == "__main__":
    main()
