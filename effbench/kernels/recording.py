"""How a compiled kernel that no profiler sees (numba, ctypes) says that it ran, and on what.

A recorded name is ``OPERATION/KERNEL`` ("local_energy/slater"). Operators of torch have colons and no slash, so no method can
record one of them instead of running it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

NAME = re.compile(r"[\w.-]+/[\w.-]+")
"""One slash, no colon and no blank: what neither an operator of torch nor a kernel in CUDA's mangling is called."""

Listener = Callable[[str, tuple[Any, ...], Any], None]
"""Called with the name of a kernel that ran, its arguments and its result."""

_listeners: list[Listener] = []


def record_kernel(name: str, *arguments: Any, out: Any = None) -> None:
    """Say that the kernel ``name`` has run on ``arguments`` and gave ``out``; called once it is done, never before.

    While nobody listens, as in everything that is timed, nothing happens. What it computed is counted by the cost that is
    registered under its name (``effbench.kernels.cost``). Raises ``ValueError`` for a name that is not ``OPERATION/KERNEL``.
    """
    if not _listeners:
        return
    if not NAME.fullmatch(name):
        raise ValueError(f"kernel {name!r}: want OPERATION/KERNEL, as local_energy/slater")
    for hear in tuple(_listeners):
        hear(name, arguments, out)


@contextmanager
def listening(hear: Listener) -> Iterator[None]:
    """Call ``hear`` for every kernel of this process that is recorded in the block, on whichever thread."""
    _listeners.append(hear)
    try:
        yield
    finally:
        _listeners.remove(hear)
