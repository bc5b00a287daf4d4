"""Times sparse convolutions beside their peers: ``make bench-sparse`` writes docs/sparse-kernels.md.

Every arm's result is checked before its times count. Then the arms take turns, so that a ratio is of neighbours in time.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_int8.__main__ import Process

from bench_sparse.scene import COARSE, FINE, frame, patches
from effbench.measure.machine import facts
from effbench.section import replace_section

VOXELS, CHANNELS = 20_000, (16, 32, 64, 128)
CROPS = {16: FINE, 32: FINE, 64: (20, 256, 256), 128: (20, 256, 256)}
"""Channels -> cells z, y, x that are convolved densely too: all of the frame, or the part before the sensor, where voxels lie
closest. All of it in 128 channels would take half a minute a call, and some 10 GB."""
MAP_CHANNELS = (32, 64, 128)
"""Of maps from above; the detectors' have 32 to 64."""
TRAINED, BATCH = 6_000, 4
"""Voxels of each frame of a training batch, as the detector of 0.2 m voxels has them."""
CELLS, DENSITIES = 128, (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Of a square map from above, whose break-even is looked for."""
TURNS = 5
TURN_S = 0.02
"""How long a turn of an arm is to last at least."""
SLOW_S, SLOW_TURNS = 0.5, 2
"""An arm of which one call lasts longer takes fewer turns."""


def seconds(processes: Sequence[Process], request: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return arm -> seconds of a call in each turn."""
    owner = {arm: process for process in reversed(processes) for arm in process.ask(request)}
    once = {arm: process.ask({"arm": arm, "calls": 1}) for arm, process in owner.items()}
    spent: dict[str, list[float]] = {arm: [] for arm in owner}
    for turn in range(TURNS):
        for arm, process in owner.items():
            if once[arm] < SLOW_S or turn < SLOW_TURNS:
                calls = max(1, math.ceil(TURN_S / once[arm]))
                spent[arm].append(process.ask({"arm": arm, "calls": calls}) / calls)
    return {arm: np.array(values) for arm, values in spent.items()}


def ratio(of: np.ndarray, to: np.ndarray) -> str:
    """Return the median of ratios turn by turn, with the least and the most."""
    turns = min(len(of), len(to))
    ratios = of[:turns] / to[:turns]
    return f"{np.median(ratios):.2f} ({ratios.min():.2f}-{ratios.max():.2f})"


def milliseconds(spent: np.ndarray) -> str:
    """Return the median."""
    return f"{np.median(spent) * 1e3:.2f}"


class Operands:
    """Writes what the processes read: cells, features and a weight, all seeded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def write(self, cells: np.ndarray, shape: Sequence[int], channels: int, batch: int = 1) -> str:
        """Return the file of a frame (or several alike) in ``channels`` channels."""
        self.count += 1
        made = np.random.default_rng(channels)
        coordinates = np.concatenate(
            [np.concatenate([np.full((len(cells), 1), sample, np.int32), cells], 1) for sample in range(batch)]
        )
        path = self.folder / f"{self.count}.npz"
        np.savez(
            path,
            coordinates=coordinates,
            shape=np.array(shape),
            features=made.standard_normal((len(coordinates), channels), dtype=np.float32),
            weight=made.standard_normal((*(3,) * len(shape), channels, channels), dtype=np.float32) / channels**0.5,
        )
        return str(path)


def pairs(cells: np.ndarray) -> float:
    """Return how many of the cells around each, itself included, are occupied."""
    import torch

    from effbench.kernels.sparse_conv import Sites
    from effbench.kernels.sparse_conv.geometry import centred
    from effbench.kernels.sparse_conv.maps import submanifold_map

    with_batch = torch.from_numpy(np.pad(cells, ((0, 0), (1, 0))))
    sites, _ = Sites.from_coordinates(with_batch, 1, tuple(cells.max(0) + 1))
    return submanifold_map(sites, centred(3, cells.shape[1])).total / len(cells)


def forward(processes: Sequence[Process], operands: Operands, dense: bool) -> Iterator[str]:
    """Yield the table of a frame; beside dense convolutions where asked."""
    cells = frame(VOXELS, FINE)
    yield (
        f"Forward, submanifold 3 x 3 x 3, a frame of {len(cells):,} voxels in {' x '.join(map(str, FINE))} cells "
        f"({len(cells) / math.prod(FINE):.1%}), {pairs(cells):.1f} pairs a voxel:"
    )
    yield ""
    heads = ["channels", "ours, ms", "with its map", "GMAC/s", "spconv / ours", "both with maps", "per tap / ours"]
    heads += ["dense, ms", "dense / ours"] if dense else []
    yield f"| {' | '.join(heads)} |"
    yield "|--:" * len(heads) + "|"
    unstable = []
    for channels in CHANNELS:
        request = {"make": operands.write(cells, FINE, channels), "kind": "frame"}
        spent = seconds(processes, request)
        macs = pairs(cells) * len(cells) * channels**2
        row = [
            *(str(channels), milliseconds(spent["ours"]), milliseconds(spent["ours, map"])),
            f"{macs / np.median(spent['ours']) / 1e9:.0f}",
        ]
        for theirs, ours in (("spconv", "ours"), ("spconv, map", "ours, map")):
            row.append(ratio(spent[theirs], spent[ours]) if theirs in spent else "")
        row.append(ratio(spent["taps"], spent["ours"]))
        if "spconv" not in spent:
            spread = float(np.load(request["make"] + ".spread.npy"))
            unstable.append(f"{channels} channels: {spread:.1%}")
        if dense:
            row += beside_dense(processes[0], operands, cells, channels)
        yield f"| {' | '.join(row)} |"
    if unstable:
        yield ""
        yield (
            "Not timed, because spconv's results of the same call lay apart (RMS, of the largest of five to the first): "
            f"{'; '.join(unstable)}."
        )
    if dense:
        part = [n for n in CHANNELS if CROPS[n] != FINE]
        yield ""
        yield (
            f"Dense: torch's conv3d in the quicker of two layouts, all cells; in {' and '.join(map(str, part))} channels "
            f"both over the part of {' x '.join(map(str, CROPS[part[0]]))} cells before the sensor alone, "
            f"{len(cropped(cells, CROPS[part[0]])):,} voxels."
        )


def cropped(cells: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return the cells of a part of a frame: its whole height, the middle along y, the nearest along x."""
    low = np.array([0, (FINE[1] - shape[1]) // 2, 0])
    inside = ((cells >= low) & (cells < low + np.array(shape))).all(1)
    return (cells[inside] - low).astype(np.int32)


def beside_dense(process: Process, operands: Operands, cells: np.ndarray, channels: int) -> list[str]:
    """Return a dense convolution's milliseconds and ratio."""
    shape = CROPS[channels]
    spent = seconds([process], {"make": operands.write(cropped(cells, shape), shape, channels), "kind": "dense"})
    return [f"{np.median(spent['dense']) * 1e3:,.0f}", ratio(spent["dense"], spent["ours"])]


def training(process: Process, operands: Operands) -> Iterator[str]:
    """Yield the table of a training step of one layer."""
    cells = frame(TRAINED, COARSE, seed=1)
    yield f"Forward and both gradients of one layer, batch of {BATCH} x {TRAINED:,} voxels, {pairs(cells):.1f} pairs a voxel:"
    yield ""
    yield "| channels | ours, ms | per tap / ours |"
    yield "|--:|--:|--:|"
    for channels in CHANNELS:
        request = {"make": operands.write(cells, COARSE, channels, BATCH), "kind": "training"}
        spent = seconds([process], request)
        yield f"| {channels} | {milliseconds(spent['ours'])} | {ratio(spent['taps'], spent['ours'])} |"


def break_even(process: Process, operands: Operands, widths: Sequence[int]) -> Iterator[str]:
    """Yield the tables of a map from above, and where the dense convolution becomes the quicker one."""
    for channels in widths:
        yield (
            f"3 x 3 over a map of {CELLS} x {CELLS} cells, {channels} channels, dense / sparse "
            "(above 1 the sparse one is quicker):"
        )
        yield ""
        yield "| density | pairs a site | dense, ms | submanifold | with its map | regular, with its map |"
        yield "|--:|--:|--:|--:|--:|--:|"
        kinds = ("submanifold", "submanifold, map", "regular, map")
        ratios: dict[str, list[float]] = {kind: [] for kind in kinds}
        for density in DENSITIES:
            cells = patches(CELLS, density)
            spent = seconds([process], {"make": operands.write(cells, (CELLS, CELLS), channels), "kind": "map"})
            for kind in kinds:
                ratios[kind].append(float(np.median(spent["dense"] / spent[kind])))
            columns = " | ".join(ratio(spent["dense"], spent[kind]) for kind in kinds)
            yield f"| {density:.0%} | {pairs(cells):.1f} | {milliseconds(spent['dense'])} | {columns} |"
        yield ""
        found = ", ".join(f"{kind.replace(', ', ' with its ')} {crossing(ratios[kind])}" for kind in kinds)
        yield f"Break-even density at {channels} channels: {found}."
        yield ""


def crossing(ratios: Sequence[float]) -> str:
    """Return the density, between two measured ones on a line of logarithms, at which a ratio falls to 1."""
    for place in range(1, len(ratios)):
        before, behind = math.log(ratios[place - 1]), math.log(ratios[place])
        if before > 0 >= behind:
            share = before / (before - behind)
            low, high = (math.log(DENSITIES[at]) for at in (place - 1, place))
            return f"{math.exp(low + share * (high - low)):.0%}"
    return "above 100%" if ratios[-1] > 1 else f"below {DENSITIES[0]:.0%}"


def main() -> None:
    """Print the tables and write them into the page."""
    parser = argparse.ArgumentParser(prog="python -m bench_sparse")
    parser.add_argument("--peer-python", type=Path, default=Path(".venv-sparse-peers/bin/python"))
    parser.add_argument("--page", type=Path, help="Markdown page whose section is replaced")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for threads in arguments.threads:
            for line in tables(arguments.peer_python, threads, Operands(Path(folder)), threads == arguments.threads[0]):
                print(line, flush=True)
                lines.append(line)
    if arguments.page:
        replace_section(arguments.page, "cpu", "\n".join(lines))


def tables(peer: Path, threads: int, operands: Operands, every: bool) -> Iterator[str]:
    """Yield the tables of a number of threads; of others than the first one, a frame's and one map's alone."""
    environment = {"OMP_NUM_THREADS": str(threads)}
    ours = Process([sys.executable, "-m", "bench_sparse.arms", str(threads)], environment)
    theirs = Process([str(peer), str(Path(__file__).with_name("peer.py")), str(threads)], environment)
    about = ours.about | theirs.about
    yield (
        f"{facts()['cpu_model']} ({about['isa']}), {threads} thread{'s' if threads > 1 else ''}, float32, "
        f"torch {about['torch']}, spconv {about['spconv']}."
    )
    yield ""
    yield from forward([ours, theirs], operands, every)
    yield ""
    if every:
        yield from training(ours, operands)
        yield ""
    yield from break_even(ours, operands, MAP_CHANNELS if every else MAP_CHANNELS[:1])
    for process in (ours, theirs):
        process.close()


if __name__ == "__main__":
    main()
