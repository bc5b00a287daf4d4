"""Puts the table of a store into README.md between its markers, so that no number there is typed (``make readme``)."""

import subprocess
import sys
from pathlib import Path

from effbench.section import replace_section


def main(store: str) -> None:
    """Replace what stands between the markers by ``effbench report STORE --format md``."""
    command = [Path(sys.executable).with_name("effbench"), "report", store, "--format", "md"]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    replace_section(Path(__file__).parent.parent / "README.md", "table", table)


if __name__ == "__main__":
    main(sys.argv[1])
