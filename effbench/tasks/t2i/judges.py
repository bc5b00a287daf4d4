"""What images are scored with: an embedded metric network and its features of real images.

Every judge says whether an image fits its prompt and gives features; distances are named after the judge's features and
are never FID, KID or LPIPS, which are made with other networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from effbench import zoo
from effbench.api import PluginError, Sample
from effbench.arrays import Array
from effbench.tasks.diffusion.distances import RealSet
from effbench.tasks.diffusion.judging import JudgeScores, real_set, targets_of


class Judge(ABC):
    """A metric network with its weights in ``folder``; images are [N, C, H, W] float32 in [0, 1]."""

    scores: ClassVar[Mapping[str, str]]
    """Metric that it gives per image -> what a sample must bring for it (``keys_of``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def real(self) -> RealSet:
        """Return the features of the real images."""
        return real_set(self.folder)

    @abstractmethod
    def judge(self, images: Array, samples: Sequence[Sample]) -> JudgeScores:
        """Return what it says of images and their samples; a score that the samples do not allow is left out."""

    @abstractmethod
    def maps(self, images: Array) -> list[Any]:
        """Return the feature maps of its layers, each a tensor [N, C, h, w]."""


class DigitJudge(Judge):
    """The classifier of the digits says whether it reads the digit that the prompt asks for."""

    scores: ClassVar[Mapping[str, str]] = {"prompt_accuracy": "digit"}

    def judge(self, images: Array, samples: Sequence[Sample]) -> JudgeScores:
        """Return ``prompt_accuracy`` where targets name the digit."""
        import torch

        with torch.no_grad():
            logits, features = _digit_net(self.folder)(_signed(images))
        scalars = {}
        if asked := targets_of(samples, "digit"):
            scalars["prompt_accuracy"] = (logits.argmax(1).numpy() == np.array(asked)).astype(np.float64)
        return JudgeScores(scalars, features.numpy())

    def maps(self, images: Array) -> list[Any]:
        """Return the outputs of the convolutional stages."""
        return _maps(_digit_net(self.folder).trunk, _signed(images))


class EmojiJudge(Judge):
    """The dual encoder of the emoji scenes says whether the image fits its sentence better than 19 others."""

    scores: ClassVar[Mapping[str, str]] = {"prompt_accuracy": "candidates", "alignment": "prompt"}

    def judge(self, images: Array, samples: Sequence[Sample]) -> JudgeScores:
        """Return ``alignment`` with prompts, and ``prompt_accuracy`` where targets hold the sentences to choose from."""
        import torch

        from effbench.zoo.emoji_judge.scoring import first_among, load_judge

        net = load_judge(self.folder)
        vectors, features = net.images(torch.from_numpy(images))
        scalars = {}
        if all("prompt" in sample.data for sample in samples):
            asked = net.sentences([sample.data["prompt"] for sample in samples])
            scalars["alignment"] = (vectors * asked).sum(1).astype(np.float64)
        if candidates := targets_of(samples, "candidates"):
            table = sorted({sentence for sentences in candidates for sentence in sentences})
            rows = [[table.index(sentence) for sentence in sentences] for sentences in candidates]
            scalars["prompt_accuracy"] = first_among(vectors, net.sentences(table), rows).astype(np.float64)
        return JudgeScores(scalars, features)

    def maps(self, images: Array) -> list[Any]:
        """Return the outputs of the convolutional stages."""
        from effbench.zoo.emoji_judge.scoring import load_judge

        return _maps(load_judge(self.folder).encoder.image.trunk, _signed(images))


KINDS: dict[str, type[Judge]] = {"classifier.safetensors": DigitJudge, "encoder.safetensors": EmojiJudge}
"""The file that a judge's folder holds -> what it is."""


def find_judge(name: str) -> Judge:
    """Return the judge of an embedded model: its own, or the one that its card names; raise ``PluginError`` without one."""
    model = zoo.find(name)
    model = zoo.find(model.card.get("judge", name))
    for file, kind in KINDS.items():
        if (model.judge / file).is_file():
            return kind(model.judge)
    raise PluginError(f"{name}: has no judge of images")


@cache
def _digit_net(folder: Path) -> Any:
    from safetensors.torch import load_file

    from effbench.zoo.digits_pixart.models import DigitClassifier

    net = DigitClassifier()
    net.load_state_dict(load_file(folder / "classifier.safetensors"))
    return net.eval()


def _signed(images: Array) -> Any:
    import torch

    return torch.from_numpy(images).float() * 2 - 1


def _maps(trunk: Any, images: Any) -> list[Any]:
    """Return what every activation of a convolutional trunk gives, taken before a later layer may change it in place."""
    import torch
    from torch import nn

    found, x = [], images
    with torch.no_grad():
        for layer in trunk:
            x = layer(x)
            if isinstance(layer, (nn.ReLU, nn.GELU)) and x.dim() == 4:
                found.append(x)
    return found
