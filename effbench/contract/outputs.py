"""What ``Task.run``, ``Method.prepare`` and the loading of a system must return."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from effbench.api import Artifact, Output, Picture, Sample, System, Task, reproducible
from effbench.artifacts import is_torch
from effbench.contract.declarations import json_problem
from effbench.contract.type_names import named_apart

TORCH_DTYPES = re.compile(r"bool|u?int(8|16|32|64)|bfloat16|float(16|32|64|8_.*|4_.*)")
"""What safetensors has a code for."""


def output_problems(outputs: object, batch: Sequence[Sample], call: str) -> Iterator[str]:
    """Yield violations unless ``outputs`` is one mapping of storable, finite numpy arrays per sample."""
    if not isinstance(outputs, Sequence):
        yield f"{call} returned {type(outputs).__name__}; expected a list with one mapping of numpy arrays per sample"
        return
    if len(outputs) != len(batch):
        yield f"{call} returned {len(outputs)} outputs for {len(batch)} samples; return one per sample, in their order"
        return
    for output, sample in zip(outputs, batch, strict=True):
        if not (isinstance(output, Mapping) and output and all(isinstance(name, str) for name in output)):
            yield f"{call} returned {type(output).__name__} for {sample.id!r}; expected a mapping of numpy arrays"
            return
        if output.keys() != outputs[0].keys():
            yield f"{call} names the arrays of {sample.id!r} {sorted(output)} and others {sorted(outputs[0])}; agree"
            return
    for name in outputs[0] if outputs else ():
        arrays = [(output[name], sample.id) for output, sample in zip(outputs, batch, strict=True)]
        yield from _array_problems(arrays, f"{call}: array {name!r}")


def only_times_problems(outputs: Sequence[Output]) -> Iterator[str]:
    """Yield a violation where every array of an output is left out of comparisons: any two systems would seem the same."""
    for output in outputs[:1]:
        if output and not reproducible(output):
            yield (
                f"run names its arrays {', '.join(sorted(output))}, and names ending in _s are seconds that two runs need "
                "not agree on; name what the system computes otherwise, or nothing could tell two systems apart"
            )


def _array_problems(values: Sequence[tuple[Any, str]], what: str) -> Iterator[str]:
    """Yield the first violation among the arrays of one name, each with the id of its sample."""
    for value, sample_id in values:
        if not isinstance(value, np.ndarray):
            yield f"{what} is {type(value).__name__} for sample {sample_id!r}; convert it to a numpy array"
            return
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            yield f"{what} has dtype {value.dtype}, which has no file format; use booleans, integers or floats up to 64 bits"
            return
        if not np.isfinite(value).all():
            bad = int(value.size - np.isfinite(value).sum())
            yield (
                f"{what} holds NaN or infinity for sample {sample_id!r} ({bad} of {value.size} values); a system must give "
                "finite outputs on the samples of its task"
            )
            return


def artifact_problems(artifact: object) -> Iterator[str]:
    """Yield what is wrong with the form of an artifact."""
    if not isinstance(artifact, Artifact):
        yield f"prepare returned {type(artifact).__name__}; return effbench.api.Artifact"
        return
    if not isinstance(artifact.tensors, Mapping) or not isinstance(artifact.config, Mapping):
        yield "the artifact's tensors and config must be mappings"
        return
    for name, tensor in artifact.tensors.items():
        if isinstance(name, str) and is_torch(tensor):
            dtype: str = str(tensor.dtype).removeprefix("torch.")
            if tensor.layout is not sys.modules["torch"].strided or not TORCH_DTYPES.fullmatch(dtype):
                yield f"artifact tensor {name!r} is {tensor.layout} {dtype}, which has no file format; make it dense and real"
        elif not isinstance(name, str) or not isinstance(tensor, np.ndarray):
            yield f"artifact tensor {name!r} is {type(tensor).__name__}; convert it to a numpy array under a string"
        elif tensor.dtype.kind not in "biuf" or tensor.dtype.itemsize > 8:
            yield f"artifact tensor {name!r} has dtype {tensor.dtype}; use booleans, integers or floats of at most 64 bits"
    problem = json_problem(artifact.config)
    if problem:
        yield f"the artifact's config is not JSON: {problem}; use dicts with string keys, lists, strings and numbers"


def probe_problems(probes: object, batch_size: int) -> Iterator[str]:
    """Yield a violation unless ``probes`` gave a list of calls without arguments, one at least."""
    call = f"probes(system, {batch_size})"
    if isinstance(probes, str) or not isinstance(probes, Sequence) or not probes:
        yield f"{call} returned {type(probes).__name__}; return a list of calls without arguments, one per item"
        return
    wrong = next((probe for probe in probes if not callable(probe)), None)
    if wrong is not None:
        yield f"{call} holds {type(wrong).__name__}; return a list of calls without arguments, one per item"


def picture_problems(pictures: object, sample: Sample) -> Iterator[str]:
    """Yield a violation unless ``preview`` gave pictures under names of their own: uint8 [H, W, 3] or [F, H, W, 3]."""
    if not isinstance(pictures, Sequence) or not all(isinstance(one, Picture) for one in pictures):
        yield f"preview returned {type(pictures).__name__} for {sample.id!r}; return a list of effbench.api.Picture"
        return
    names = [picture.name for picture in pictures]
    if len(set(names)) < len(names) or not all(isinstance(name, str) and name.isprintable() and name for name in names):
        yield f"preview names the pictures of {sample.id!r} {names}; give each a name of its own"
        return
    for picture in pictures:
        pixels: Any = picture.pixels
        is_array = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim in (3, 4)
        if not is_array or pixels.shape[-1] != 3 or 0 in pixels.shape:
            form = f"{pixels.dtype} {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
            yield f"preview gives {picture.name!r} of {sample.id!r} as {form}; expected uint8 [height, width, 3]"


def loaded_problems(system: object, task: Task) -> Iterator[str]:
    """Yield a violation unless what ``load`` returned is of the declared type."""
    if not isinstance(system, task.system_type):
        declared, found = named_apart((task.system_type,), type(system))
        yield (
            f"load returned {found}, system_type says {declared}; "
            "methods accept systems by that type, so the two must agree"
        )


def changed_problems(system: object, expected: type[System], call: str = "apply") -> Iterator[str]:
    """Yield a violation unless what ``apply`` returned is still a system of the expected type."""
    if not isinstance(system, expected):
        declared, found = named_apart((expected,), type(system))
        yield f"{call} returned {found}; return a {declared}, for example by dataclasses.replace"
