"""Running a denoiser sample by sample: a cache that decides by what it sees must not see a sample's batch mates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from effbench.caching.session import Forward
from effbench.diffusion import DenoiserCall

AsSample = Callable[[int, Callable[[], Any]], Any]
"""Calls something as the sample of a number."""


def by_sample(forward: Forward, call: Callable[[], DenoiserCall | None], as_sample: AsSample) -> Forward:
    """Return a ``forward`` that runs each sample of the batch by itself, with both of its guided halves.

    Tensors whose leading dimension is the batch's are split, in nested dicts too; the first tensor says what that is. What
    one call for all would gain is lost on a batch; a batch of one sample is passed on as it came.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        rows = next(len(value) for value in (*args, *kwargs.values()) if torch.is_tensor(value))
        now = call()
        assert now is not None
        halves = 2 if now.order in ("unconditional-first", "conditional-first") else 1
        count = rows // halves
        if count == 1:
            return as_sample(0, lambda: forward(*args, **kwargs))
        outputs = []
        for number in range(count):
            mine = [number + half * count for half in range(halves)]
            given, named = _rows(args, rows, mine), _rows(kwargs, rows, mine)
            outputs.append(as_sample(number, lambda given=given, named=named: forward(*given, **named)))  # type: ignore[misc]
        return _joined(outputs, halves)

    return run


def _rows(value: Any, rows: int, mine: Sequence[int]) -> Any:
    """Return some rows of every tensor that leads with the batch, in tuples and dicts too."""
    if torch.is_tensor(value):
        return value[list(mine)] if value.dim() and len(value) == rows else value
    if isinstance(value, tuple):
        return tuple(_rows(item, rows, mine) for item in value)
    if isinstance(value, dict):
        return {name: _rows(item, rows, mine) for name, item in value.items()}
    return value


def _joined(outputs: Sequence[Any], halves: int) -> Any:
    """Return the outputs of all samples as one batch: a tensor, or what holds one as its first item."""
    first = outputs[0]
    if torch.is_tensor(first):
        parts = [output.chunk(halves) for output in outputs]
        return torch.cat([part[half] for half in range(halves) for part in parts])
    joined = _joined([output[0] for output in outputs], halves)
    return (joined,) if isinstance(first, tuple) else type(first)(joined)
