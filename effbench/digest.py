"""One hash for any output: what proves that two processes ran the same object."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def digest(value: Any) -> str:
    """Return the sha256 over names, dtypes, shapes and bytes of nested mappings, sequences, arrays and scalars."""
    state = hashlib.sha256()
    _feed(state, value)
    return state.hexdigest()


def _feed(state: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        for name in sorted(value):
            state.update(f"{{{name}:".encode())
            _feed(state, value[name])
    elif isinstance(value, np.ndarray):
        state.update(f"{value.dtype}{value.shape}".encode())
        state.update(np.ascontiguousarray(value).tobytes())
    elif hasattr(value, "detach"):  # a torch tensor, recognised without importing torch
        _feed(state, value.detach().cpu().float().numpy())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _feed(state, {f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        state.update(f"[{len(value)}".encode())
        for item in value:
            _feed(state, item)
    else:
        state.update(f"{type(value).__name__}={value!r}".encode())
