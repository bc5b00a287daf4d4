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
    with profile(activities=activities) as watched:
        found = _recorded(call)
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
    return _ranked(found + _profiled(watched))


def _profiled(watched: Any) -> Counter[str]:
    """Return how often each operator or kernel ran while a ``torch.profiler.profile`` watched.

    What ``watched.events()`` says, without what torch makes of each event first, which takes several times the call. An
    operator that only calls itself, in another overload, ran once.
    """
    from torch.autograd.profiler_util import _filter_name, _rewrite_name

    named = [(event, event.name()) for event in watched.profiler.kineto_results.events() if not event.is_hidden_event()]
    kept = [(event, name) for event, name in named if not _filter_name(name)]
    threads: dict[int, list[tuple[int, int, str]]] = {}
    found: Counter[str] = Counter()
    for event, name in kept:
        if event.device_type().name == "CPU" and not event.is_async():
            threads.setdefault(event.start_thread_id(), []).append((event.start_ns(), -event.end_ns(), name))
        if not event.is_user_annotation() and event.scope() != USER_SCOPE:
            found[name] += 1
    for spans in threads.values():
        found -= _calls_of_themselves(sorted(spans, key=lambda span: span[:2]))
    written: Counter[str] = Counter()
    for name, calls in found.items():
        written[_rewrite_name(name, with_wildcard=True)] += calls
    return written


def _calls_of_themselves(spans: Sequence[tuple[int, int, str]]) -> Counter[str]:
    """Return how often an event is all that one of the same name holds; spans are (start, -end, name), in order."""
    holders: list[int] = []
    inside: list[list[int]] = [[] for _ in spans]
    for number, (start, end, _) in enumerate(spans):
        while holders and (start >= -spans[holders[-1]][1] or end < spans[holders[-1]][1]):
            holders.pop()
        if holders:
            inside[holders[-1]].append(number)
        holders.append(number)
    only = [(spans[number][2], spans[held[0]][2]) for number, held in enumerate(inside) if len(held) == 1]
    return Counter(name for name, inner in only if name == inner)


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
