"""Puts the table of a store into README.md between its markers, so that no number there is typed (``make readme``)."""

import subprocess
import sys
from pathlib import Path

BEGIN, END = "<!-- table:begin (make readme) -->", "<!-- table:end -->"


def main(store: str) -> None:
    """Replace what stands between the markers by ``effbench report STORE --format md``."""
    command = [Path(sys.executable).with_name("effbench"), "report", store, "--format", "md"]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    page = Path(__file__).parent.parent / "README.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table}{END}{after}")


if __name__ == "__main__":
    main(sys.argv[1])
