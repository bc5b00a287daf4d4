"""How sensitive a model is to each of its layers: one layer at a time is quantized, weights and inputs apart.

As in MixDQ (arXiv 2405.17873) what is looked at depends on what a layer does to a picture. Layers that carry content
(feed-forward and cross-attention) are judged by SSIM of the final pictures to those in float, all others by SQNR of the
denoiser's output, on inputs recorded in float.

SSIM has two windows. The released code's is the whole picture; it saturates (0.9999 at 8 bits, where layers differ in the
fifth digit), because the structure of a whole picture hardly moves when details do. The usual window of 11 pixels is the
default here: ranks of layers are then those of their damage to details, too.

A layer is changed and put back as the very object that it was, so the model is afterwards what it was, bit by bit.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from effbench.api import Context, Output, PluginError, Sample, work_folder
from effbench.arrays import Array
from effbench.atomic import write_bytes
from effbench.diffusion import DiffusionSystem
from effbench.kernels.codes import StaticRange
from effbench.quantization.fake import fake_tensor
from effbench.quantization.rounding import quantize_weight
from effbench.quantization.schemes import WeightScheme
from effbench.quantization.similarity import energies, global_ssim, local_ssim, sqnr_of

Part = Literal["weight", "activation"]
Measure = Literal["ssim", "sqnr"]
SsimWindow = Literal["local", "global"]

CONTENT = ("ff", "attn2")
"""Parts of a layer's name that say that it carries content, as in MixDQ's code; all others carry quality."""
SAMPLES_AT_ONCE = 8
"""Pictures of one batch of the search: a choice."""
MOST_CALLS = 4
"""Calls of the denoiser that SQNR is taken over, spread evenly over those of a run: a choice, those of four steps."""
SAVE_EVERY = 16
"""Measurements between two checkpoints: a choice, some seconds of work."""

Key = tuple[Part, str, int]
"""Part, layer, bits."""


@dataclass(frozen=True)
class Trial:
    """One measurement: a layer's weight or inputs at some bits, judged by one measure."""

    part: Part
    layer: str
    bits: int
    measure: Measure

    @property
    def label(self) -> str:
        """Return what a checkpoint calls it."""
        return f"{self.part}/{self.layer}/{self.bits}/{self.measure}"


def is_content(name: str) -> bool:
    """Return whether a layer carries content, by the parts of its qualified name."""
    return any(part in name.split(".") for part in CONTENT)


def measure_sensitivity(
    system: DiffusionSystem,
    ctx: Context,
    samples: Sequence[Sample],
    trials: Sequence[Trial],
    statics: Mapping[tuple[str, int], StaticRange],
    *,
    seed: int = 0,
    window: SsimWindow = "local",
    checkpoint: str = "sensitivity",
) -> dict[Trial, float]:
    """Return the score of each trial: mean SSIM of the samples' pictures, or SQNR in dB of the denoiser's outputs.

    ``statics`` gives the range of a layer's inputs at some bits. The model is as it was afterwards, after an error too. In a
    run, what was measured is kept in ``work_folder()``, so that a killed search goes on. Raises ``PluginError`` for a score
    that is not finite.
    """
    reference = _Reference.of(system, ctx, samples, seed)
    saved = _Checkpoint.open(checkpoint, _fingerprint(system, samples, seed, window, statics, reference))
    found = dict[Trial, float]()
    for index, trial in enumerate(trials):
        score = saved.scores.get(trial.label)
        if score is None:
            ctx.progress(index, len(trials), f"sensitivity of {trial.layer}")
            with changed(system.denoiser, trial, statics), torch.no_grad():
                if trial.measure == "sqnr":
                    score = reference.sqnr_db(system.denoiser)
                else:
                    score = reference.ssim(pictures_of(system, ctx, samples, seed), window)
            if not math.isfinite(score):
                raise PluginError(f"the sensitivity of {trial.layer} ({trial.part}, {trial.bits} bits) is {score}")
            saved.add(trial.label, score)
        found[trial] = score
    saved.write()
    return found


@contextmanager
def changed(denoiser: nn.Module, trial: Trial, statics: Mapping[tuple[str, int], StaticRange]) -> Iterator[None]:
    """Quantize one layer's weight or inputs for a while; the layer is put back as the objects that it had."""
    layer: Any = denoiser.get_submodule(trial.layer)
    if trial.part == "activation":
        static = statics[trial.layer, trial.bits]
        handle = layer.register_forward_pre_hook(lambda _, args: (fake_tensor(args[0], static), *args[1:]))
        try:
            yield
        finally:
            handle.remove()
        return
    weight = layer.weight
    codes = quantize_weight(weight.detach().flatten(1), WeightScheme(trial.bits))
    layer.weight = nn.Parameter(codes.dequantized().reshape(weight.shape).to(weight), requires_grad=False)
    try:
        yield
    finally:
        layer.weight = weight


class _Call:
    """One recorded call of the denoiser and its output in float."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], output: Array) -> None:
        self.args, self.kwargs, self.output = args, kwargs, output


class _Reference:
    """What the system does in float: its pictures and some calls of its denoiser."""

    def __init__(self, pictures: Array, calls: list[_Call]) -> None:
        self.pictures, self.calls = pictures, calls

    @classmethod
    def of(cls, system: DiffusionSystem, ctx: Context, samples: Sequence[Sample], seed: int) -> _Reference:
        if not samples:
            raise PluginError("the task gives no calibration samples, without which no sensitivity can be measured")
        calls = list[_Call]()

        def record(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            calls.append(_Call(_kept(args), _kept(kwargs), _array(output[0])))

        handle = system.denoiser.register_forward_hook(record, with_kwargs=True)
        try:
            with torch.no_grad():
                pictures = pictures_of(system, ctx, samples, seed)
        finally:
            handle.remove()
        chosen = np.unique(np.linspace(0, len(calls) - 1, MOST_CALLS).round().astype(int))
        return cls(pictures, [calls[index] for index in chosen])

    def sqnr_db(self, denoiser: nn.Module) -> float:
        """Return the SQNR of a changed denoiser's outputs on the recorded inputs."""
        both = [energies(c.output, _array(denoiser(*_kept(c.args), **_kept(c.kwargs))[0])) for c in self.calls]
        return sqnr_of(sum(signal for signal, _ in both), sum(noise for _, noise in both))

    def ssim(self, pictures: Array, window: SsimWindow) -> float:
        """Return the mean SSIM of pictures to those in float."""
        measure: Callable[[Array, Array], float] = local_ssim if window == "local" else global_ssim
        return measure(pictures, self.pictures)


def _kept(value: Any) -> Any:
    """Return a copy of what a denoiser was called with, which no later step can change."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _kept(item) for key, item in value.items()}
    return tuple(_kept(item) for item in value) if isinstance(value, tuple) else value


def _array(output: torch.Tensor) -> Array:
    return output.detach().float().cpu().numpy()


def pictures_of(system: DiffusionSystem, ctx: Context, samples: Sequence[Sample], seed: int) -> Array:
    """Return the pictures [N, (F,) C, H, W] that the task makes of samples."""
    made = list[Array]()
    for start in range(0, len(samples), SAMPLES_AT_ONCE):
        made += [picture_of(output) for output in ctx.run(system, samples[start : start + SAMPLES_AT_ONCE], seed)]
    return np.stack(made)


def picture_of(output: Output) -> Array:
    """Return the picture or the video of a diffusion task's output; raise ``PluginError`` where it has none."""
    for name in ("image", "video"):
        if name in output:
            return output[name]
    raise PluginError(f"the task's outputs hold no pictures, but {', '.join(output)}")


def _fingerprint(
    system: DiffusionSystem,
    samples: Sequence[Sample],
    seed: int,
    window: str,
    statics: Mapping[tuple[str, int], StaticRange],
    reference: _Reference,
) -> str:
    """Return what a checkpoint must have been made for: settings, samples, ranges, and the float pictures themselves."""
    said = [
        dict(system.settings()),
        [sample.id for sample in samples],
        seed,
        window,
        sorted((name, bits, *static) for (name, bits), static in statics.items()),
        hashlib.sha256(np.ascontiguousarray(reference.pictures).tobytes()).hexdigest(),
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class _Checkpoint:
    """Scores that were measured already, in the work folder of the cell; kept in memory alone where there is none."""

    path: Path | None
    fingerprint: str
    scores: dict[str, float] = field(default_factory=dict)
    unsaved: int = 0

    @classmethod
    def open(cls, name: str, fingerprint: str) -> _Checkpoint:
        folder = work_folder()
        found = cls(None if folder is None else folder / f"{name}.json", fingerprint)
        if found.path is not None and found.path.is_file():
            try:
                content = json.loads(found.path.read_text("utf-8"))
            except ValueError:  # it was written whole or not at all; what is not ours is measured again
                content = {}
            if isinstance(content, dict) and content.get("fingerprint") == fingerprint:
                found.scores = {str(label): float(score) for label, score in content["scores"].items()}
        return found

    def add(self, label: str, score: float) -> None:
        """Keep a score, and write all of them now and then."""
        self.scores[label], self.unsaved = score, self.unsaved + 1
        if self.unsaved >= SAVE_EVERY:
            self.write()

    def write(self) -> None:
        """Write what was not written yet."""
        if self.path is not None and self.unsaved:
            content = {"fingerprint": self.fingerprint, "scores": self.scores}
            write_bytes(self.path, json.dumps(content, sort_keys=True).encode())
            self.unsaved = 0
