"""A method that is trained at random, with progress, checkpoints, facts and a plan tied to a setting."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from effbench.api import Artifact, Context, Fact, Method, StrictParams, work_folder
from effbench_toyplugin.spoof import FEATURES, Detector

EVERY = 5
"""Epochs from one checkpoint to the next."""


class Trained(Method):
    """Fit the detector's weights to labelled calibration captures by stochastic gradient descent."""

    name = "toy-trained"
    accepts = (Detector,)
    random_preparation = True
    tied_to = ("scale",)

    class Params(StrictParams):
        """Parameters of the training."""

        epochs: Annotated[int, Field(ge=1, description="Passes over the calibration captures.")] = 20
        labels: Annotated[int, Field(ge=2, description="Captures whose label is used.")] = 24
        epoch_s: Annotated[float, Field(ge=0, description="Sleep in each epoch.")] = 0.0
        reports: Annotated[bool, Field(description="Whether progress is reported.")] = True
        die_at: Annotated[int, Field(ge=0, description="Epoch before which the first process is killed; 0: never.")] = 0

    def prepare(self, system: Detector, ctx: Context) -> Artifact:
        """Return the weights; an interrupted training goes on at its last checkpoint."""
        captures = list(ctx.calibration())[: self.params.labels]
        features = np.stack([output["features"].mean(0) for output in ctx.run(system, captures, ctx.seed)])
        labels = np.array([1.0 if capture.target else -1.0 for capture in captures])
        weights, first = self._resumed()
        print(f"begins {first}", flush=True)
        for epoch in range(first, self.params.epochs):
            self._fault(epoch)
            order = np.random.default_rng([ctx.seed, epoch]).permutation(len(labels))
            for row in order:
                weights += 0.05 * labels[row] * features[row] / (1 + np.exp(labels[row] * features[row] @ weights))
            time.sleep(self.params.epoch_s)
            if (epoch + 1) % EVERY == 0:
                self._save(weights, epoch + 1)
            if self.params.reports:
                ctx.progress(epoch + 1, self.params.epochs, "epochs")
        return Artifact({"weights": weights}, {"labels": len(labels)})

    def apply(self, system: Detector, artifact: Artifact) -> Detector:
        """Return the trained detector."""
        weights = tuple(float(w) for w in artifact.tensors["weights"])
        return replace(system, weights=weights, labels_used=artifact.config["labels"])

    def facts(self, system: Detector) -> Mapping[str, Fact | float]:
        """Return the labels that the training used, what they cost, the parameters, and the largest of them."""
        return {
            "labels_used": Fact(system.labels_used),
            "labelling": Fact(2.0 * system.labels_used, "s", before_preparing=True),
            "parameters": float(len(system.weights)),
            "largest_weight": max(system.weights),
        }

    def _resumed(self) -> tuple[np.ndarray, int]:
        folder = work_folder()
        file = folder / "checkpoint.npz" if folder is not None else None
        if file is None or not file.exists():
            return np.zeros(FEATURES), 0
        with np.load(file) as found:
            return found["weights"], int(found["epoch"])

    def _save(self, weights: np.ndarray, epoch: int) -> None:
        folder = work_folder()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "new.npz").open("wb") as file:
                np.savez(file, weights=weights, epoch=epoch)
            (folder / "new.npz").replace(folder / "checkpoint.npz")

    def _fault(self, epoch: int) -> None:
        """Kill this process before an epoch, the first time that it comes there."""
        if not self.params.die_at or epoch != self.params.die_at:
            return
        marker = Path(os.environ["TOY_DEATHS"]) / f"{epoch}"
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class Rescaled(Method):
    """Multiply all scores, which moves no decision and breaks every plan that is tied to the scale."""

    name = "toy-rescaled"
    accepts = (Detector,)
    changes = ("scale",)

    class Params(StrictParams):
        """Parameters of the method."""

        factor: Annotated[float, Field(gt=0, description="What scores are multiplied by.")] = 2.0

    def apply(self, system: Detector, artifact: Artifact) -> Detector:
        """Return the detector with another scale."""
        return replace(system, scale=system.scale * self.params.factor)
