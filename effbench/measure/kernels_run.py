"""Which operators and device kernels a call really runs: the evidence behind a method that says it executes for real."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from effbench.kernels.recording import listening

USER_SCOPE = 7
"""Scope of what a method wrote into the profile itself (``record_function``); a name it gives is no evidence."""


class KernelCount(NamedTuple):
    """Name of an operator ("aten::mm") or kernel, and how often it ran in one call.

    Kernels are those of the device, and those that record themselves ("local_energy/slater").
    """

    name: str
    calls: int


def kernels_run(call: Callable[[], Any]) -> tuple[KernelCount, ...]:
    """Return what one ``call`` runs, most frequent first: by ``torch.profiler``, and by ``effbench.kernels.record_kernel``.

    Kernels of a GPU are listed where the system has started one. Code that goes past torch (numba, ctypes) shows where it
    records itself; without torch, that is all there is.
    """
    if "torch" not in sys.modules:
        found = _recorded(call)  # it may import torch itself, and is watched in a second call then
        if "torch" not in sys.modules:
            return _ranked(found)
    import torch
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_initialized():
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities, acc_events=True) as watched:
        found = _recorded(call)
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
    events = [e for e in watched.events() or () if not e.is_user_annotation and e.scope != USER_SCOPE]
    return _ranked(found + Counter(event.name for event in events))


def _recorded(call: Callable[[], Any]) -> Counter[str]:
    """Return how often each kernel recorded itself in a call."""
    found: Counter[str] = Counter()
    with listening(lambda name, _, __: found.update([name])):
        call()
    return found


def _ranked(found: Counter[str]) -> tuple[KernelCount, ...]:
    return tuple(KernelCount(name, n) for name, n in sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def matches(globs: Iterable[str], kernels: Sequence[KernelCount]) -> list[str]:
    """Return the globs that no kernel matched: what a method promised to run and did not."""
    return [glob for glob in globs if not any(fnmatchcase(kernel.name, glob) for kernel in kernels)]
