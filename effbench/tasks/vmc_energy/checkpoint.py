"""A training's state in one safetensors file: what goes on from it takes the same steps as one that never stopped."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from effbench.api import PluginError
from effbench.atomic import save_tensors, write_with
from effbench.tasks.vmc_energy.training import Trace, Trainer

SCHEMA = "effbench/vmc-checkpoint/1"
"""Written into every checkpoint; one of another schema is not resumed."""
NETWORK, OPTIMISER, TRACE, FIRST, BEST = "network.", "optimiser.", "trace.", "first.", "best."
"""Beginnings of the names of tensors, by what they belong to."""
SERIES = ("time_s", "energy_ha", "error_ha", "unique", "draws")
"""Numbers per step of the trace, as the fields of ``Trace`` are called."""


@dataclass
class Checkpoint:
    """A file that a training of ``molecule`` is saved in every ``every_s`` seconds and at its end.

    It is called after every step (``Trainer.run(checkpoint)``).
    """

    path: Path
    molecule: str
    every_s: float = 30.0
    _saved: float = field(default_factory=time.monotonic)

    def __call__(self, trainer: Trainer) -> None:
        """Save where it is time; raise ``StoreError`` where the file cannot be written."""
        is_over = bool(trainer.trace.stopped) or trainer.done >= trainer.settings.steps
        if is_over or time.monotonic() - self._saved >= self.every_s:
            self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Write the file, whole or not at all."""
        tensors = {NETWORK + name: value for name, value in trainer.ansatz.state_dict().items()}
        tensors |= {OPTIMISER + name: value for name, value in trainer.optimiser.state().items()}
        tensors |= {FIRST + name: value for name, value in trainer.first.items()}
        tensors |= {BEST + name: value for name, value in trainer.best.items()}
        arrays = {name: value.detach().numpy() for name, value in tensors.items()}
        arrays |= {TRACE + name: np.array(getattr(trainer.trace, name), np.float64) for name in SERIES}
        progress = {"done": trainer.done, "draws": trainer.draws, "parts_s": trainer.trace.parts_s}
        progress |= {"best_ha": trainer.best_ha} if trainer.best else {}
        header = {"schema": SCHEMA, "progress": json.dumps(progress)} | self._identity(trainer)
        write_with(self.path, lambda temporary: save_tensors(arrays, temporary, header))
        self._saved = time.monotonic()

    def resume(self, trainer: Trainer) -> bool:
        """Put a fresh trainer where the file left off and return whether there is a file.

        Raises ``PluginError`` for a file that is damaged, of another molecule, of another network or of other settings.
        """
        if not self.path.exists():
            return False
        header, arrays = self._read()
        expected = self._identity(trainer)
        for what, told in (
            ("molecule", "another molecule"), ("integrals", "other integrals of that molecule"),
            ("network", "another network"), ("settings", "other settings"),
        ):  # fmt: skip
            if header.get(what) != expected[what]:
                found = header.get(what, "nothing")
                pair = f"{_short(found, expected[what])}, not {_short(expected[what], found)}"
                raise PluginError(f"{self.path}: checkpoint of {told}: {pair}; remove it or choose another folder")
        progress = json.loads(header["progress"])
        trainer.ansatz.load_state_dict(_below(NETWORK, arrays))
        trainer.optimiser.load(_below(OPTIMISER, arrays))
        trainer.first, trainer.best = _below(FIRST, arrays), _below(BEST, arrays)
        trainer.best_ha = float(progress.get("best_ha", "inf"))
        trainer.done, trainer.draws = int(progress["done"]), float(progress["draws"])
        series: dict[str, Any] = {name: arrays[TRACE + name].tolist() for name in SERIES}
        series["unique"] = [int(count) for count in series["unique"]]
        trainer.trace = Trace(**series, parts_s=progress["parts_s"])
        return True

    def _read(self) -> tuple[dict[str, str], dict[str, Any]]:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, "numpy") as file:
                header = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (OSError, SafetensorError) as error:
            raise PluginError(f"{self.path}: cannot be read as a checkpoint: {str(error).splitlines()[0]}") from None
        if header.get("schema") != SCHEMA:
            raise PluginError(
                f"{self.path}: no checkpoint of a training (schema {header.get('schema')!r}, not {SCHEMA!r})"
            )
        return header, arrays

    def _identity(self, trainer: Trainer) -> dict[str, str]:
        shapes = {name: list(value.shape) for name, value in trainer.ansatz.state_dict().items()}
        ansatz = trainer.ansatz
        kept = {"order": ansatz.order.tolist(), "symmetries": ansatz.symmetries.tolist()}
        network = {"kind": type(ansatz).__name__, **kept, **shapes}
        settings = {**trainer.settings.model_dump(mode="json"), "seed": trainer.seed}
        return {
            "molecule": self.molecule,
            "integrals": trainer.integrals.sha256,
            "network": json.dumps(network, sort_keys=True),
            "settings": json.dumps(settings, sort_keys=True),
        }


def _below(prefix: str, arrays: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): torch.from_numpy(v.copy()) for k, v in arrays.items() if k.startswith(prefix)}


def _short(text: str, other: str) -> str:
    """Return a value, of JSON objects only what differs from the other, of a hash its beginning."""
    try:
        ours, theirs = json.loads(text), json.loads(other)
    except ValueError:
        return repr(text[:16])
    return ", ".join(f"{name} {value}" for name, value in ours.items() if theirs.get(name) != value) or "nothing else"
