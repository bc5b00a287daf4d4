"""Checks of ``Task.score`` and ``Task.summariser``: what turns outputs into the numbers of the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from effbench.api import Metric, Output, Sample, Scores, Task, select
from effbench.contract.outputs import output_problems, picture_problems
from effbench.contract.remarks import remark_problems
from effbench.contract.scores import RTOL, mean_problems, score_problems, summary_problems
from effbench.testing.findings import Steps, Unavailable


class ScoreTrial:
    """The scores of a batch's outputs, without a reference and with the outputs themselves as the reference."""

    def __init__(
        self,
        task: Callable[[], Task],
        batch: Callable[[], list[Sample]],
        outputs: Callable[[], list[Output]],
        thresholds: Callable[[], Mapping[str, float]],
    ) -> None:
        self._task, self._batch, self._outputs, self._thresholds = task, batch, outputs, thresholds
        self.steps = Steps()

    @property
    def task(self) -> Task:
        """Return the task."""
        return self._task()

    @property
    def samples(self) -> list[Sample]:
        """Return the samples of the batch."""
        return self._batch()

    @property
    def outputs(self) -> list[Output]:
        """Return the outputs that are scored."""
        return self._outputs()

    def score(self, members: slice, reference: Sequence[Output] | None = None) -> Scores:
        """Return the scores of some outputs of the batch, with what the runner adds: slices and thresholds."""
        samples = self._batch()[members]
        scores = self.task.score(self.outputs[members], samples, reference)
        if not isinstance(scores, Scores):
            return scores
        attributes = dict.fromkeys(name for sample in samples for name in sample.slices)
        return Scores(
            scores.scalars,
            scores.arrays,
            {name: np.full(len(samples), float(value)) for name, value in self._thresholds().items()},
            {name: [sample.slices.get(name, "") for sample in samples] for name in attributes},
        )

    @property
    def raw_alone(self) -> Scores:
        """Return the scores without a reference, unchecked."""
        call = "score(outputs, batch, reference=None)"
        return self.steps.obtain(call, lambda: self.score(slice(None)), "it must work where the reference failed")

    @property
    def raw_paired(self) -> Scores:
        """Return the scores with the outputs as their own reference, unchecked."""
        make: Callable[[], Scores] = lambda: self.score(slice(None), self.outputs)  # noqa: E731 - typed for mypy
        return self.steps.obtain("score(outputs, batch, reference=outputs)", make, "it must take a perfect copy")

    @property
    def paired(self) -> Scores:
        """Return the scores with the outputs as their own reference."""
        for problem in self.problems(self.raw_paired, with_reference=True):
            raise Unavailable(problem)
        return self.raw_paired

    def problems(self, scores: Scores, *, with_reference: bool) -> Iterator[str]:
        """Yield what is wrong with the form of the batch's scores."""
        task = self.task
        return score_problems(
            task.metrics, scores, self._batch(), with_reference=with_reference, random_weights=task.random_weights
        )

    def summarise(self, scores: Scores, weights: np.ndarray[Any, Any]) -> dict[str, float]:
        """Return the task's summary."""
        return self.task.summariser(scores)(weights)

    @property
    def weights(self) -> np.ndarray[Any, Any]:
        """Return the weights 1, 2, ..., n."""
        return np.arange(1.0, len(self._batch()) + 1)

    @property
    def summary(self) -> dict[str, float]:
        """Return the summary of the paired scores under those weights."""
        make: Callable[[], dict[str, float]] = lambda: self.summarise(self.paired, self.weights)  # noqa: E731
        return self.steps.obtain("summariser(scores)(weights)", make, "it must take any positive weights")


def scores_have_the_right_form(trial: ScoreTrial) -> Iterator[str]:
    """Yield violations of shape, dtype, presence and NaN, without a reference and with one."""
    yield from trial.problems(trial.raw_alone, with_reference=False)
    yield from trial.problems(trial.raw_paired, with_reference=True)


def the_reference_matters_only_where_declared(trial: ScoreTrial) -> Iterator[str]:
    """Yield a violation per metric that changes with a reference though it says that it needs none."""
    for metric in _per_sample(trial.task):
        if not metric.needs_reference and metric.name in trial.raw_alone.scalars:
            alone, paired = trial.raw_alone.scalars[metric.name], trial.paired.scalars[metric.name]
            if not np.array_equal(alone, paired, equal_nan=True):
                yield f"score {metric.name!r} changes with the reference; declare it with needs_reference=True"


def samples_are_scored_alone(trial: ScoreTrial) -> Iterator[str]:
    """Yield a violation per scalar that depends on which outputs are scored together."""
    first = trial.score(slice(0, 1), trial.outputs[:1])
    for name, values in trial.paired.scalars.items():
        if not np.allclose(first.scalars.get(name, np.nan), values[:1], rtol=1e-5, atol=1e-8, equal_nan=True):
            yield f"score {name!r} of a sample depends on the others in the call; compare samples in summariser instead"


def what_is_kept_is_what_score_reads(trial: ScoreTrial) -> Iterator[str]:
    """Yield a violation where what ``keep`` leaves scores otherwise than the whole, as a reference or as an output."""
    kept = trial.steps.obtain(
        "keep(output)", lambda: [trial.task.keep(output) for output in trial.outputs], "it must take any output"
    )
    yield from output_problems(kept, trial.samples, "keep")
    make: Callable[[], Scores] = lambda: trial.score(slice(None), kept)  # noqa: E731 - typed for mypy
    scores = trial.steps.obtain("score(outputs, batch, reference=kept)", make, "keep all that score reads")
    for name, values in trial.paired.scalars.items():
        if not np.array_equal(scores.scalars.get(name, np.nan), values, equal_nan=True):
            yield f"score {name!r} is another against what keep leaves of a reference; keep all that score reads"
    again: Callable[[], Scores] = lambda: trial.task.score(kept, trial.samples, kept)  # noqa: E731 - typed for mypy
    scores = trial.steps.obtain("score(kept, batch, reference=kept)", again, "keep all that score reads of an output")
    for name, values in trial.paired.scalars.items():
        if not np.array_equal(scores.scalars.get(name, np.nan), values, equal_nan=True):
            yield f"score {name!r} of what keep leaves is another, so that nobody can score it again; keep all that it reads"


def previews_are_pictures(trial: ScoreTrial) -> Iterator[str]:
    """Yield violations unless ``preview`` gives pictures."""
    for sample, output in zip(trial.samples, trial.outputs):
        make = partial(trial.task.preview, sample, output)
        yield from picture_problems(trial.steps.obtain("preview(sample, output)", make, "return () for none"), sample)
        return


def summaries_are_numbers_by_metric(trial: ScoreTrial) -> Iterator[str]:
    """Yield violations unless the summary maps declared metrics to floats, with every computable one among them."""
    yield from summary_problems(trial.task.metrics, trial.summary, random_weights=trial.task.random_weights)


def remarks_are_sentences_by_metric(trial: ScoreTrial) -> Iterator[str]:
    """Yield violations unless remarks are sentences of declared metrics."""
    said = trial.steps.obtain("remarks(scores)", lambda: trial.task.remarks(trial.paired), "it must take any scores")
    yield from remark_problems(trial.task.metrics, said)


def sample_metrics_are_weighted_means(trial: ScoreTrial) -> Iterator[str]:
    """Yield a violation per metric declared per sample whose summary is not the weighted mean of its scores."""
    yield from mean_problems(trial.task.metrics, trial.paired, trial.weights, trial.summary)


def only_relative_weights_count(trial: ScoreTrial) -> Iterator[str]:
    """Yield violations where multiplying all weights changes a summary."""
    yield from _changes(trial, trial.summarise(trial.paired, trial.weights * 7.0), "all weights are multiplied by 7")


def order_does_not_count(trial: ScoreTrial) -> Iterator[str]:
    """Yield violations where the order of the samples changes a summary."""
    order = np.arange(len(trial.weights))[::-1]
    reversed_scores = select(trial.paired, order)
    yield from _changes(trial, trial.summarise(reversed_scores, trial.weights[order]), "the samples are reversed")


def weight_zero_leaves_a_sample_out(trial: ScoreTrial) -> Iterator[str]:
    """Yield violations where a sample of weight 0 still counts."""
    weights = trial.weights
    weights[0] = 0.0
    rest = np.arange(1, len(weights))
    without = trial.summarise(select(trial.paired, rest), weights[1:])
    yield from _changes(
        trial, trial.summarise(trial.paired, weights), "a sample of weight 0 is removed altogether", without
    )


def a_resample_of_one_sample_is_survived(trial: ScoreTrial) -> Iterator[str]:
    """Yield violations where all weight on one sample, as a bootstrap may draw it, gives NaN instead of leaving out."""
    weights = np.zeros_like(trial.weights)
    weights[0] = len(weights)
    for name, value in trial.summarise(trial.paired, weights).items():
        if math.isnan(value):
            yield f"the summary gives {name!r} as NaN where one sample has all the weight; leave it out there"


def _per_sample(task: Task) -> list[Metric]:
    return [metric for metric in task.metrics if metric.per == "sample"]


def _close(a: float, b: float) -> bool:
    return a == b or math.isclose(a, b, rel_tol=RTOL, abs_tol=RTOL)


def _changes(
    trial: ScoreTrial, other: dict[str, float], when: str, expected: dict[str, float] | None = None
) -> Iterator[str]:
    """Yield a violation per metric on which ``other`` disagrees with ``expected`` (default: the plain summary)."""
    expected = trial.summary if expected is None else expected
    for name in sorted(other.keys() | expected.keys()):
        a, b = other.get(name, math.nan), expected.get(name, math.nan)
        if not _close(a, b):
            yield f"the summary gives another {name!r} when {when} ({a:g}, not {b:g}); weights are relative frequencies"


CHECKS = (
    scores_have_the_right_form,
    the_reference_matters_only_where_declared,
    samples_are_scored_alone,
    what_is_kept_is_what_score_reads,
    previews_are_pictures,
    summaries_are_numbers_by_metric,
    remarks_are_sentences_by_metric,
    sample_metrics_are_weighted_means,
    only_relative_weights_count,
    order_does_not_count,
    weight_zero_leaves_a_sample_out,
    a_resample_of_one_sample_is_survived,
)
