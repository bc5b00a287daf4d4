"""Models that are planted, not trained: an embedded model gets what large ones have, and its float32 output stays.

Small networks have neither the channel outliers nor the massive start token that quantization methods of large ones are
made for. A recipe changes a few weights and undoes the change in the weights that follow, so that only what stands between
the two is larger.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from effbench.zoo import ZooModel, folder_sha256

State = dict[str, torch.Tensor]
"""Name -> weight of one network."""
HALF_STEP = 2.0**-25
"""Half of fp16's smallest step, as far as fp16 can move a value near 0; weights are divided by powers of two, and only what
comes that near to 0 is rounded at all."""


def load_state(file: Path) -> State:
    """Return the weights of a network in float64, in which a recipe computes; counters stay whole numbers."""
    return {name: w.double() if w.is_floating_point() else w for name, w in load_file(file).items()}


def stored(weight: torch.Tensor) -> torch.Tensor:
    """Return a float64 weight as it ships: fp16 where that moves no value by more than ``HALF_STEP``, else float32."""
    if not weight.is_floating_point():
        return weight
    half = weight.half()
    return half if float((half.double() - weight).abs().max()) <= HALF_STEP else weight.float()


def write_planted(
    original: ZooModel,
    folder: Path,
    states: Mapping[str, State],
    configs: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write an embedded model into ``folder/weights``: its own files, those of ``states`` with other weights.

    ``states`` has float64 weights under the file's place below ``weights/pipeline``, ``configs`` what a part's
    ``config.json`` says differently.
    """
    pipeline = folder / "weights" / "pipeline"
    shutil.rmtree(pipeline, ignore_errors=True)
    shutil.copytree(original.weights, pipeline)
    for file, state in states.items():
        shipped = {name: stored(weight).contiguous() for name, weight in state.items()}
        save_file(shipped, pipeline / file, metadata={"format": "pt"})  # without it the libraries refuse the file
    for part, values in (configs or {}).items():
        config = pipeline / part / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text("utf-8")) | dict(values), indent=2) + "\n", "utf-8")


def derived_facts(original: ZooModel, recipe: str) -> dict[str, Any]:
    """Return what the card of a planted model takes from the original's, and the hash of the weights it is made of."""
    same = ("pipeline", "licence", "data", "judge", "sampler")
    return {
        **{name: original.card[name] for name in same},
        "recipe": recipe,
        "derived_from": {"id": original.name, "sha256": folder_sha256(original.weights)},
    }


def psnr_db(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """Return the PSNR [N] in dB of images [N, C, H, W] in [0, 1]; infinite where they are equal."""
    return -10 * torch.log10((ours.double() - theirs.double()).square().mean((1, 2, 3)))


def input_maxima(network: nn.Module, names: Sequence[str], run: Callable[[], object]) -> dict[str, torch.Tensor]:
    """Return layer -> the largest magnitude [channels] of each input channel over all calls while ``run`` runs."""
    found: dict[str, torch.Tensor] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        def seen(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            here = inputs[0].detach().abs().flatten(0, -2).amax(0)
            found[name] = torch.maximum(found[name], here) if name in found else here

        return seen

    hooks = [network.get_submodule(name).register_forward_pre_hook(watch(name)) for name in names]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return found


def outlier_ratio(maxima: torch.Tensor) -> float:
    """Return the largest of the channels' magnitudes over their median: how much of a shared range one channel takes."""
    return float(maxima.max() / maxima.median())
