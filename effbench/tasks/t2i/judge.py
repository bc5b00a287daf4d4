"""What digit images are scored with: the shipped classifier and the features of real held-out digits."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from effbench import zoo
from effbench.tasks.t2i.distances import RealSet


@cache
def load_judge(model: str) -> Any:
    """Return the classifier of an embedded model in evaluation mode: images in [-1, 1] -> (logits, features)."""
    from safetensors.torch import load_file

    from effbench.zoo.digits_pixart.models import Judge

    judge = Judge()
    judge.load_state_dict(load_file(zoo.find(model).judge / "classifier.safetensors"))
    return judge.eval()


@cache
def real_set(model: str) -> RealSet:
    """Return the features of the real held-out digits; free of torch."""
    from safetensors.numpy import load_file

    features = load_file(zoo.find(model).judge / "real_features.safetensors")["features"]
    return RealSet(features, float(np.sqrt(np.mean(np.square(features, dtype=np.float64)))))


def judge_images(model: str, images: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return (most likely digit [N], features [N, 64]) of images [N, 1, H, W] in [0, 1]."""
    import torch

    with torch.no_grad():
        logits, features = load_judge(model)(torch.from_numpy(images).float() * 2 - 1)
    return logits.argmax(1).numpy(), features.numpy()
