"""``make bench-timing``: measure, print the section, put it into a page. Exit code 1 where a requirement does not hold.

Raw results stay in a folder of their own per run; ``--from FOLDER`` makes the section again without measuring.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from bench_timing.analysis import findings_of
from bench_timing.measure import THREADS, Plan, measure
from bench_timing.report import section
from effbench.errors import BadInput
from effbench.measure.machine import physical_cores
from effbench.selfcheck.section import replace_section


def main() -> int:
    """Measure unless told where results are, and write what they say."""
    default = Plan()
    parser = argparse.ArgumentParser(prog="python -m bench_timing", description=__doc__)
    parser.add_argument("--optimum-python", type=Path, default=Path(".venv-optimum/bin/python"))
    parser.add_argument("--results", type=Path, default=Path("results/bench-timing"))
    parser.add_argument("--from", dest="folder", type=Path, help="a finished run to report instead of measuring")
    parser.add_argument("--page", type=Path, help="Markdown page whose timing section is replaced")
    parser.add_argument("--repeats", type=int, default=default.repeats)
    arguments = parser.parse_args()
    folder = arguments.folder
    if folder is None:
        if physical_cores() < max(THREADS):
            print(f"needs {max(THREADS)} cores, this process may use {physical_cores()}", file=sys.stderr)
            return 2
        folder = arguments.results / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        measure(Plan(repeats=arguments.repeats), arguments.optimum_python, folder)
    try:
        text, sentences = report(folder)
        if arguments.page:
            replace_section(arguments.page, "timing", text)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    print(text)
    for sentence in sentences:
        print(f"does not hold: {sentence}", file=sys.stderr)
    return 1 if sentences else 0


def report(folder: Path) -> tuple[str, list[str]]:
    """Return the section of a finished run and what does not hold in it; raise ``BadInput`` where there is none."""
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        repeats = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("repeat-*.json"))]
    except (OSError, json.JSONDecodeError) as error:
        raise BadInput(f"{folder}: holds no finished run: {error}") from None
    findings = findings_of(repeats)
    return section(findings, run), findings.broken


if __name__ == "__main__":
    sys.exit(main())
