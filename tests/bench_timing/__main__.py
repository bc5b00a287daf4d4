"""``make bench-timing``: measure, print the section, put it into a page. Exit code 1 where a requirement does not hold.

Raw results stay in a folder of their own per run; ``--from FOLDER ...`` makes the section without measuring, of several
runs together.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench_timing.analysis import findings_of
from bench_timing.measure import THREADS, Plan, measure
from bench_timing.report import section
from effbench.errors import BadInput
from effbench.measure.machine import physical_cores
from effbench.section import replace_section


def main() -> int:
    """Measure unless told where results are, and write what they say."""
    default = Plan()
    parser = argparse.ArgumentParser(prog="python -m bench_timing", description=__doc__)
    parser.add_argument("--optimum-python", type=Path, default=Path(".venv-optimum/bin/python"))
    parser.add_argument("--results", type=Path, default=Path("results/bench-timing"))
    parser.add_argument(
        "--from", dest="folders", type=Path, nargs="+", help="finished runs to report together instead of measuring"
    )
    parser.add_argument("--page", type=Path, help="Markdown page whose timing section is replaced")
    parser.add_argument("--repeats", type=int, default=default.repeats)
    arguments = parser.parse_args()
    folders = arguments.folders
    if folders is None:
        if physical_cores() < max(THREADS):
            print(f"needs {max(THREADS)} cores, this process may use {physical_cores()}", file=sys.stderr)
            return 2
        folder = arguments.results / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        measure(Plan(repeats=arguments.repeats), arguments.optimum_python, folder)
        folders = [folder]
    try:
        text, sentences = report(folders)
        if arguments.page:
            replace_section(arguments.page, "timing", text)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    print(text)
    for sentence in sentences:
        print(f"does not hold: {sentence}", file=sys.stderr)
    return 1 if sentences else 0


def report(folders: Sequence[Path]) -> tuple[str, list[str]]:
    """Return the section of finished runs, their repeats together, and what does not hold in it.

    Raises ``BadInput`` where a run is not finished, or where two had other plans or machines.
    """
    runs, repeats = [], []
    for folder in folders:
        try:
            runs.append(json.loads((folder / "run.json").read_text(encoding="utf-8")))
            repeats += [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("repeat-*.json"))]
        except (OSError, json.JSONDecodeError) as error:
            raise BadInput(f"{folder}: holds no finished run: {error}") from None
    together = joined(runs)
    findings = findings_of(repeats)
    return section(findings, together), findings.broken


def joined(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what several runs have in common, with the noisiest one's noise and the number of all repeats."""
    for name in ("machine", "versions", "peer_versions"):
        if any(run[name] != runs[0][name] for run in runs):
            raise BadInput(f"the runs differ in {name} and cannot be reported together")
    plans = [{**run["plan"], "repeats": 0} for run in runs]
    if any(plan != plans[0] for plan in plans):
        raise BadInput("the runs differ in their plan and cannot be reported together")
    noise = max((run["noise"] for run in runs), key=lambda noise: (noise["grade"], noise["reasons"]))
    total = sum(run["plan"]["repeats"] for run in runs)
    return {**runs[0], "noise": noise, "runs": len(runs), "plan": {**plans[0], "repeats": total}}


if __name__ == "__main__":
    sys.exit(main())
