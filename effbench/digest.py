"""One hash for any output: what proves that two processes ran the same object."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from effbench.api import reproducible


def digest(value: Any) -> str:
    """Return the sha256 over names, dtypes, shapes and bytes of nested mappings, sequences, arrays and scalars.

    Names ending in ``_s`` are left out at every depth: they hold seconds, on which no two runs agree.
    """
    state = hashlib.sha256()
    _feed(state, value, reproducible)
    return state.hexdigest()


def digest_with_times(value: Any) -> str:
    """Return the same over the times too: what shows that nobody has changed a value in place."""
    state = hashlib.sha256()
    _feed(state, value, dict)
    return state.hexdigest()


def hash_of(content: Mapping[str, Any]) -> str:
    """Return the sha256 over plain data, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _feed(state: Any, value: Any, chosen: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
    """Update a hash with a value, of every mapping in it with what ``chosen`` leaves."""
    if isinstance(value, Mapping):
        known = chosen(value)
        for name in sorted(known):
            state.update(f"{{{name}:".encode())
            _feed(state, known[name], chosen)
    elif isinstance(value, np.ndarray):
        state.update(f"{value.dtype}{value.shape}".encode())
        state.update(np.ascontiguousarray(value).tobytes())
    elif hasattr(value, "detach"):  # a torch tensor, recognised without importing torch
        _feed(state, value.detach().cpu().float().numpy(), chosen)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _feed(state, {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}, chosen)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        state.update(f"[{len(value)}".encode())
        for item in value:
            _feed(state, item, chosen)
    else:
        state.update(f"{type(value).__name__}={value!r}".encode())
