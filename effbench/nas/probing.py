"""Proxies of many networks: on several processes, kept on the disk as they come, each with the core seconds it took."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from effbench.api import noise_seed
from effbench.arrays import Array
from effbench.nas.cells import Code, canonical
from effbench.nas.kept_lines import KeptLines
from effbench.nas.network import StackedNetwork
from effbench.nas.proxies import COUNTED, DEFINITIONS, TOGETHER, ZEN_REPEATS, every_proxy
from effbench.nas.skeleton import Skeleton

Values = dict[str, tuple[float, float]]
"""Proxy -> (value, core seconds). Those of one pass (``proxies.TOGETHER``) are each given the seconds of the whole pass."""


@dataclass(frozen=True)
class Probing:
    """Of which networks of cells proxies are taken, and on which batch: images [B, C, H, W], labels [B].

    ``salt`` goes into the seed of a cell's weights, beside its canonical form: isomorphs draw the same.
    """

    skeleton: Skeleton
    salt: str
    images: Array
    labels: Array
    zen_repeats: int = ZEN_REPEATS

    def recipe(self) -> dict[str, Any]:
        """Return all that a value depends on besides the cell; of the batch its hash."""
        batch = self.images.tobytes() + self.labels.tobytes()
        return {
            "skeleton": asdict(self.skeleton),
            "salt": self.salt,
            "batch_sha256": hashlib.sha256(batch).hexdigest(),
            "zen_repeats": self.zen_repeats,
            "definitions": DEFINITIONS,
        }

    def of(self, code: Code) -> Values:
        """Return every proxy of a cell's network."""
        seed = noise_seed(f"{canonical(code)}:{self.salt}", 0)
        network = StackedNetwork(code, self.skeleton)
        network.initialise([seed])
        batch = torch.from_numpy(self.images), torch.from_numpy(self.labels)
        return timed_proxies(network, *batch, seed, self.zen_repeats)


def timed_proxies(
    network: nn.Module, images: torch.Tensor, labels: torch.Tensor, seed: int, zen_repeats: int = ZEN_REPEATS
) -> Values:
    """Return every proxy of any network, timed in core seconds of this process; counts cost none."""
    found: Values = {}
    for group, compute in every_proxy(network, images, labels, torch.Generator().manual_seed(seed), zen_repeats):
        started = time.process_time()
        values = compute()
        spent = 0.0 if group == COUNTED else time.process_time() - started
        found |= {name: (value, spent) for name, value in values.items()}
    return found


def probed(probing: Probing, codes: Sequence[Code], file: Path, workers: int = 1) -> dict[Code, Values]:
    """Return the proxies of cells, in their order; compute what ``file`` does not hold, on so many processes of one thread.

    Each is on the disk as soon as it is there and those before it are. Raises ``BadInput`` for a file of another recipe.
    """
    kept = KeptLines(file, probing.recipe())
    known = {tuple(line["code"]): _values(line) for line in kept.lines}
    missing = [code for code in dict.fromkeys(codes) if code not in known]
    if missing:
        context = multiprocessing.get_context("spawn")
        size = max(1, min(workers, len(missing)))
        with ProcessPoolExecutor(size, context, torch.set_num_threads, (1,)) as pool:
            for code, values in zip(missing, pool.map(probing.of, missing)):
                kept.add({"code": list(code), "proxies": values})
                known[code] = values
    return {code: known[code] for code in codes}


def low_fidelity_costs(values: Sequence[Values]) -> dict[str, dict[str, Any]]:
    """Return proxy -> what one value cost in the mean, and with which others it is computed, as a table's header has it."""
    return {
        name: {"cost_s": round(sum(own[name][1] for own in values) / len(values), 4)}
        | ({"together": TOGETHER[name]} if name in TOGETHER else {})
        for name in sorted(values[0])
    }


def _values(line: Mapping[str, Any]) -> Values:
    return {name: (value, spent) for name, (value, spent) in line["proxies"].items()}
