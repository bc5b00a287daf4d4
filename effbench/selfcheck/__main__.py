"""``make self``: run ``suites/self.yaml`` again and again, and write what that says into ``docs/methodology.md``.

A run that is finished already is not repeated, so an interrupted series goes on. Exit code 1 where a bound is broken.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from effbench.section import replace_section
from effbench.selfcheck.coverage import markdown, simulate
from effbench.selfcheck.planted import PlantedFindings, findings_of, memory_table, null_table, planted_table

COMMAND = Path(sys.executable).with_name("effbench")


def main() -> int:
    """Run the series, print its tables, and put them into the page where one is named."""
    parser = argparse.ArgumentParser(prog="python -m effbench.selfcheck", description=__doc__)
    parser.add_argument("--suite", type=Path, default=Path("suites/self.yaml"))
    parser.add_argument("--results", type=Path, default=Path("results/self"))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--page", type=Path, help="Markdown page whose self-check sections are replaced")
    parser.add_argument("--coverage", action="store_true", help="the intervals on simulated data alone")
    arguments = parser.parse_args()
    coverage = markdown(simulate())
    print(coverage)
    if arguments.page:
        replace_section(arguments.page, "coverage", coverage)
    if arguments.coverage:
        return 0
    stores = [arguments.results / f"run-{number:03d}" for number in range(1, arguments.repeats + 1)]
    for number, store in enumerate(stores, 1):
        print(f"run {number} of {len(stores)}", file=sys.stderr)
        command = [str(COMMAND), "run", str(arguments.suite), "--store", str(store), "--json"]
        code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
        if code not in (0, 1):
            return code
    findings = findings_of(stores)
    text = tables(findings)
    print(text)
    if arguments.page:
        replace_section(arguments.page, "self", text)
    for sentence in findings.broken:
        print(f"bound broken: {sentence}", file=sys.stderr)
    return 1 if findings.broken else 0


def tables(findings: PlantedFindings) -> str:
    """Return what EffBench finds when it measures itself, as Markdown."""
    grades = Counter(findings.grades)
    noise = ", ".join(f"{grade} {grades[grade]}" for grade in sorted(grades)) or "not recorded"
    overhead = f"{np.median(findings.overhead_ms):.2f} ms per sample" if findings.overhead_ms else "not recorded"
    return "\n".join(
        [
            f"Machine: {' | '.join(findings.machines) or 'unknown'}. Noise grades of the cells: {noise}.\n",
            "### The same method entered twice must tie\n",
            null_table(findings),
            "### Planted slow-downs\n",
            planted_table(findings),
            "### Planted memory\n",
            memory_table(findings),
            f"The harness adds {overhead} (hash, check, commit; median).\n",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
