"""Checkpoints of the recipes: weights, their EMA and the optimiser's moments as one safetensors file, never half written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn


def save_atomically(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write through a temporary file, so that a kill never leaves half a checkpoint."""
    temporary = path.with_suffix(".tmp")
    save_file({name: t.clone().contiguous() for name, t in tensors.items()}, temporary, metadata=metadata)
    temporary.replace(path)


def save_checkpoint(
    path: Path,
    model: nn.Module,
    ema: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    facts: dict[str, str],
) -> None:
    """Write weights, buffers, EMA and the optimiser's state with a few facts about the run."""
    tensors = {f"model.{name}": p.detach() for name, p in model.named_parameters()}
    tensors |= {f"buffer.{name}": b for name, b in model.named_buffers()}
    tensors |= {f"ema.{name}": p for name, p in ema.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
    save_atomically(tensors, path, facts)


def save_start(path: Path, model: nn.Module, facts: dict[str, str]) -> None:
    """Write weights that a later stage can begin from as it does from a checkpoint's EMA, without an optimiser's state."""
    tensors = {f"ema.{name}": p.detach().float() for name, p in model.named_parameters()}
    tensors |= {f"buffer.{name}": b for name, b in model.named_buffers()}
    save_atomically(tensors, path, facts)


def begun_from(start: Path, otherwise: str) -> str:
    """Return what a training began from: what its start file says, or what it begins from without one."""
    return facts_of(start)["begun_from"] if start.exists() else otherwise


def load_checkpoint(
    path: Path, model: nn.Module, ema: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> dict[str, str]:
    """Restore what ``save_checkpoint`` wrote and return its facts."""
    tensors = load_file(path)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"model.{name}"])
            ema[name].copy_(tensors[f"ema.{name}"])
        for name, buffer in model.named_buffers():
            buffer.copy_(tensors[f"buffer.{name}"])
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, field = key.split(".")
            state.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return facts_of(path)


def load_ema(path: Path, model: nn.Module) -> dict[str, str]:
    """Put the EMA of a checkpoint (and its buffers) into a model and return the checkpoint's facts."""
    tensors = load_file(path)
    put({name.removeprefix("ema."): t for name, t in tensors.items() if name.startswith("ema.")}, model)
    for name, buffer in model.named_buffers():
        buffer.copy_(tensors[f"buffer.{name}"])
    return facts_of(path)


@torch.no_grad()
def put(parameters: Mapping[str, torch.Tensor], model: nn.Module) -> None:
    """Copy parameters into a model that has exactly these; two names of one tensor count once."""
    expected = dict(model.named_parameters())
    if expected.keys() != parameters.keys():
        raise ValueError(f"parameters of another model: {sorted(expected.keys() ^ parameters.keys())[:5]} differ")
    for name, parameter in expected.items():
        parameter.copy_(parameters[name])


def facts_of(path: Path) -> dict[str, str]:
    """Return the facts that stand in the header of a safetensors file."""
    with safe_open(path, "pt") as header:
        return dict(header.metadata())
