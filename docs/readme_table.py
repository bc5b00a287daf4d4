"""Puts the table of a store into a page between its markers, so that no number there is typed (``make readme``, ``vmc``)."""

import argparse
import subprocess
import sys
from pathlib import Path

from effbench.section import replace_section

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Replace what stands between the markers by a report on a store as Markdown."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("store")
    parser.add_argument("--page", type=Path, default=ROOT / "README.md")
    parser.add_argument("--section", default="table")
    parser.add_argument("--columns", default="headline", help="numbers to show, as in effbench report --columns")
    parser.add_argument(
        "--claims", metavar="METHOD", help="show what a method's paper claims beside what was measured instead"
    )
    given = parser.parse_args()
    command = [Path(sys.executable).with_name("effbench"), "report", given.store]
    command += ["--claims", given.claims] if given.claims else ["--format", "md", "--columns", given.columns]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    replace_section(given.page, given.section, table)


if __name__ == "__main__":
    main()
