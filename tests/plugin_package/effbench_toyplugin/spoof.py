"""Task ``toy-spoof``: is a capture of a subject real or a print or a replay? It uses every hook that a task can have.

A sample is a capture, its group the subject, its target whether it is an attack, its slice the attack's species. Thresholds
are frozen on subjects of their own. What a call costs depends on the capture, so probes time several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from effbench.api import (
    Context,
    Metric,
    Output,
    Picture,
    Sample,
    Scores,
    Split,
    StrictParams,
    Summariser,
    System,
    Task,
    noise_seed,
)

Array = np.ndarray[Any, Any]
SPECIES = ("real", "print", "replay")
FEATURES = 4
FIRST = {"calibration": 0, "validation": 1000, "evaluation": 2000}
"""First subject of each split; no split has more than a thousand."""


@dataclass(frozen=True)
class Detector(System):
    """Scores an attack by ``weights`` [4] on features of a capture, scaled by ``scale``; ``work`` repeats the product."""

    weights: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0)
    scale: float = 1.0
    work: int = 1
    labels_used: int = field(default=0)

    def settings(self) -> Mapping[str, Any]:
        """Return what a plan may depend on."""
        return {"scale": self.scale}

    def attack_score(self, features: Array) -> float:
        """Return how much a capture looks like an attack."""
        for _ in range(self.work * features.shape[0]):
            found = float(np.mean(features @ np.array(self.weights))) * self.scale
        return found


class ToySpoof(Task):
    """Tell attacks from real captures at a threshold that was frozen on other subjects."""

    name = "toy-spoof"
    system_type = Detector
    metrics = (
        Metric(
            "error_rate", "share", higher_is_better=False, per="set", primary=True, description="wrong at the threshold"
        ),
        *(Metric("error_rate", "share", False, per="set", slice=f"species={name}") for name in SPECIES),
        Metric("attack_score", "", higher_is_better=True, description="mean score, of all captures"),
        Metric("attack_score", "", higher_is_better=True, slice="species=print"),
    )

    class Params(StrictParams):
        """Parameters of the task."""

        subjects: Annotated[int, Field(ge=2, le=1000, description="Subjects of each split.")] = 12
        captures: Annotated[int, Field(ge=3, le=30, description="Captures of a subject.")] = 6

    def load(self, ctx: Context) -> Detector:
        """Return a detector that looks at the first feature alone."""
        return Detector()

    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return the captures of the subjects of a split."""
        subjects = range(FIRST[split], FIRST[split] + self.params.subjects)
        return [_capture(subject, number) for subject in subjects for number in range(self.params.captures)]

    def run(self, system: Detector, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return ``score`` [1] of each capture, and the ``features`` that it came from."""
        assert all(sample.target is None for sample in batch), "a system must not see the truth"
        found = [_features(sample) for sample in batch]
        return [{"score": np.array([system.attack_score(f)]), "features": f} for f in found]

    def probes(self, system: Detector, batch_size: int) -> Sequence[Callable[[], Any]]:
        """Return a call for a short and one for a long capture."""
        pool = sorted(self.samples("calibration"), key=lambda sample: sample.data["frames"])
        return [partial(_scores, system, _features(sample), batch_size) for sample in (pool[0], pool[-1])]

    def keep(self, output: Output) -> Output:
        """Return the score alone."""
        return {"score": output["score"]}

    def preview(self, sample: Sample, output: Output) -> Sequence[Picture]:
        """Return the features as a grey picture."""
        grey = np.clip(128 + 40 * output["features"], 0, 255).astype(np.uint8)
        return [Picture("features", np.repeat(grey[:, :, None], 3, axis=2))]

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return the score of each capture, with its truth for the error rate."""
        scores = np.array([output["score"][0] for output in outputs])
        return Scores({"attack_score": scores}, {"is_attack": [np.array([sample.target]) for sample in batch]})

    def thresholds(self, scores: Scores) -> Mapping[str, float]:
        """Return the score between the means of real captures and attacks."""
        attacks = np.concatenate(scores.arrays["is_attack"])
        values = scores.scalars["attack_score"]
        return {"attack_score": float((values[attacks].mean() + values[~attacks].mean()) / 2)}

    def summariser(self, scores: Scores) -> Summariser:
        """Return the mean score and the error rates at the frozen threshold."""
        means = super().summariser(scores)
        attacks = np.concatenate(scores.arrays["is_attack"])
        wrong = (scores.scalars["attack_score"] > scores.thresholds["attack_score"]) != attacks
        rates = [(metric, scores.within(metric)) for metric in self.metrics if metric.name == "error_rate"]

        def summarise(weights: Array) -> dict[str, float]:
            sums = {metric.key: (weights[rows].sum(), (weights * wrong)[rows].sum()) for metric, rows in rates}
            return means(weights) | {key: float(bad / total) for key, (total, bad) in sums.items() if total > 0}

        return summarise


def _capture(subject: int, number: int) -> Sample:
    """Return a capture of a subject: real, print and replay in turn."""
    species = SPECIES[number % len(SPECIES)]
    return Sample(
        f"subject-{subject}-{number}",
        {"species_strength": SPECIES.index(species), "frames": 2 + (subject + number) % 5},
        group=f"subject-{subject}",
        target=species != "real",
        slices={"species": species},
    )


def _scores(system: Detector, features: Array, count: int) -> list[float]:
    return [system.attack_score(features) for _ in range(count)]


def _features(sample: Sample) -> Array:
    """Return features [frames, 4] of a capture: noise, a shift that its subject has, and one that its species has."""
    rng = np.random.default_rng(noise_seed(sample.id, 0))
    own = np.random.default_rng(noise_seed(sample.unit, 0)).normal(0, 0.5, FEATURES)
    shift = np.array([0.6, 0.9, 0.3, 0.0]) * sample.data["species_strength"]
    return rng.normal(0, 0.5, (sample.data["frames"], FEATURES)) + own + shift
