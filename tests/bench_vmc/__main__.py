"""Local energies on real molecules: ``make bench-vmc`` writes docs/vmc.md.

Every arm gets the same determinants and amplitudes, is compiled and checked against the others before a time counts, and
takes turns with them. Rates count connected determinants by the formula 1 + singles + doubles, zero elements included.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numba
import numpy as np

from bench_vmc.arms import Peer, local_arms, timed
from bench_vmc.samples import Sampled, sample_of
from effbench.kernels.local_energy import ENGINES
from effbench.kernels.local_energy.connected import most_connected
from effbench.kernels.local_energy.work import work_of
from effbench.section import replace_section

TURNS = 7
AGREE_HA = 1e-9
ROWS = (("h2o", 441), ("nh3", 3136), ("n2", 1000), ("n2", 10_000), ("c2", 10_000), ("li2o", 1000), ("li2o", 10_000),
        ("c2h4o", 10_000))  # fmt: skip
PEERLESS = ("c2h4o",)
"""NetKet's padded array of connections would take tens of GB here."""


def bench(sampled: Sampled, python: Path) -> Iterator[str]:
    """Yield the rows of one sample; raise ``AssertionError`` where an arm has other energies."""
    size, connections = len(sampled.alpha), most_connected(sampled.integrals)
    calls = local_arms(sampled)
    energies, setup_s = {arm: call() for arm, call in calls.items()}, {}
    with ExitStack() as stack:
        turns: dict[str, Callable[[], float]] = {arm: partial(timed, call) for arm, call in calls.items()}
        if sampled.name not in PEERLESS:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            peer = stack.enter_context(Peer(python, folder, sampled))
            setup_s, energies = peer.setup_s, energies | peer.energies()
            turns |= {arm: partial(peer.seconds, arm) for arm in setup_s}
        known = energies["slater"]
        worst = {arm: float(np.abs(found - known).max()) for arm, found in energies.items()}
        assert max(worst.values()) < AGREE_HA * max(1.0, float(np.abs(known).max())), worst
        spent: dict[str, list[float]] = {arm: [] for arm in turns}
        for _ in range(TURNS):
            for arm, turn in turns.items():
                spent[arm].append(turn())
    chosen = work_of(sampled.integrals, size).best()
    best = np.array(spent[chosen])
    for arm, seconds in spent.items():
        low, middle, high = np.quantile(seconds, [0, 0.5, 1]) * 1e6 / size
        ratio = np.quantile(np.array(seconds) / best, [0.5, 0, 1])
        against = "" if arm in ENGINES else f"{ratio[0]:.2g} ({ratio[1]:.2g}-{ratio[2]:.2g})"
        yield (
            f"| {sampled.name} | {size:,} | {connections:,} | {arm}{' (chosen)' if arm == chosen else ''} "
            f"| {middle:.2f} ({low:.2f}-{high:.2f}) | {connections / middle * 1e6:.1e} | {against} "
            f"| {f'{setup_s[arm]:.1f}' if arm in setup_s else ''} |"
        )


def main() -> None:
    """Print the table and write it into the page."""
    parser = argparse.ArgumentParser(prog="python -m bench_vmc")
    parser.add_argument("--peer-python", type=Path, default=Path(".venv-vmc-peers/bin/python"))
    parser.add_argument("--page", type=Path, help="Markdown page whose section local-energies is replaced")
    arguments = parser.parse_args()
    lines = [
        f"{TURNS} interleaved turns on {numba.get_num_threads()} threads; median (least-most). The ratio is that of an "
        "arm's time to the chosen engine's in the same turn; set-up is building the operator and compiling, before any turn.",
        "",
        "| molecule | sample | connected | arm | us per determinant | connected determinants/s | times ours | set-up (s) |",
        "|---|--:|--:|---|--:|--:|--:|--:|",
    ]
    for name, size in ROWS:
        for line in bench(sample_of(name, size), arguments.peer_python):
            print(line, flush=True)
            lines.append(line)
    if arguments.page:
        replace_section(arguments.page, "local-energies", "\n".join(lines))


if __name__ == "__main__":
    main()
