"""Puts the table of a store into a page between its markers, so that no number there is typed (``make readme``, ``vmc``)."""

from __future__ import annotations

import argparse
from pathlib import Path

from effbench.report.columns import check_columns
from effbench.report.markdown import claims_table, render_markdown
from effbench.report.summarise import summarise
from effbench.report.tables import table_of
from effbench.section import replace_section
from effbench.store import read_store

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Replace what stands between the markers by a store's tables, or by one method's claims; tables come without claims."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--page", type=Path, default=ROOT / "README.md")
    parser.add_argument("--section", default="table")
    parser.add_argument("--columns", default="headline", help="numbers to show, as in effbench report --columns")
    parser.add_argument(
        "--claims", metavar="METHOD", help="show what this method's paper claims beside what was measured"
    )
    given = parser.parse_args()
    summary = summarise(read_store(given.store))
    if given.claims:
        text = claims_table(summary, given.claims)
    else:
        picked = tuple(given.columns.split(","))
        check_columns(picked, summary.workloads)
        text = render_markdown([table_of(workload, picked) for workload in summary.workloads], with_claims=False)
    replace_section(given.page, given.section, text)


if __name__ == "__main__":
    main()
