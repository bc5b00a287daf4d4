"""What quantization buys in time on each instruction set of this machine (``make quantization-speed``).

``docs/speed_by_isa.py --results FOLDER --page PAGE`` runs suites/quantization-speed.yaml once for each, torch's libraries
kept to it, into FOLDER/quantization-speed-ISA, and writes the section "speed-ISA": the share of the layers that may be
quantized in the time of float32, the ceiling that it sets (1 / (1 - share): those layers free), and what was reached.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from effbench.api import Context
from effbench.catalogue import PARAMETERS, SPEEDUP
from effbench.kernels import isa
from effbench.record import CellRecord
from effbench.registry import tasks
from effbench.report.rounding import rounded
from effbench.report.summarise import number_of
from effbench.section import replace_section
from effbench.store import StoreView, read_store
from effbench.suite import load_suite

SUITE = Path(__file__).parent.parent / "suites" / "quantization-speed.yaml"
NUMBERS = (
    ("speed-up", SPEEDUP),
    ("weights and buffers, MB", PARAMETERS),
    ("peak RSS growth, MB", "peak_rss_growth_mb"),
)


def shares() -> dict[str, float]:
    """Return task -> share of the quantizable layers in the time of one sample in float32, in this process."""
    import torch

    from effbench.quantization.share import layer_share

    torch.set_num_threads(os.cpu_count() or 1)
    found = {}
    for entry in load_suite(SUITE).suite.tasks:
        plugin = tasks.get(entry.use)
        task = plugin(plugin.Params(**entry.with_))
        system = task.load(Context(calibration=lambda task=task: task.samples("calibration"), run=task.run))
        batch = task.samples("evaluation")[:1]
        with torch.no_grad():
            found[entry.id] = layer_share(
                system, lambda task=task, system=system, batch=batch: task.run(system, batch, 0)
            )
    return found


def lines(view: StoreView, share: dict[str, float], name: str) -> Iterator[str]:
    """Yield the table of one instruction set."""
    machine = next(iter(view.machines.values()))
    yield f"{machine['cpu_model']}, kept to {name}."
    yield ""
    yield "| | share of layers | ceiling | method | " + " | ".join(title for title, _ in NUMBERS) + " |"
    yield "|---|--:|--:|---|" + "--:|" * len(NUMBERS)
    for cell in view.cells:
        part = share[cell.task_id]
        yield f"| {cell.task_id} | {part:.0%} | {1 / (1 - part):.2f} | {cell.method_id} | {' | '.join(_numbers(cell))} |"


def _numbers(cell: CellRecord) -> Iterator[str]:
    for _, name in NUMBERS:
        number = number_of(cell, name)
        is_known = number is not None and number.value is not None
        yield " ".join(filter(None, rounded(number.value, number.ci_low, number.ci_high))) if is_known else "n/a"


def main() -> None:
    """Run the suite on each instruction set and write the sections, or print the shares of this process."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--page", type=Path)
    parser.add_argument("--shares", action="store_true", help="print task -> share as JSON")
    given = parser.parse_args()
    if given.shares:
        print(json.dumps(shares()))
        return
    for name in isa.available():
        environment = os.environ | isa.limits(name)
        store = given.results / f"quantization-speed-{name}"
        command = [sys.executable, "-m", "effbench", "run", str(SUITE), "--store", str(store)]
        subprocess.run(command, env=environment, check=True)
        command = [sys.executable, __file__, "--shares"]
        answer = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        if given.page:
            text = "\n".join(lines(read_store(store), json.loads(answer.splitlines()[-1]), name))
            replace_section(given.page, f"speed-{name}", text)


if __name__ == "__main__":
    main()
