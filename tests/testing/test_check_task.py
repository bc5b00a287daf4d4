"""``check_task`` passes a good task and catches every way of breaking the contract: each check can fail."""

import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from effbench.api import Metric, PluginError, Sample, Scores, StrictParams, System, Task, noise_seed
from effbench.testing import ConformanceError, check_task


@dataclass(frozen=True)
class Thrower(System):
    """A die of so many sides that is thrown so many times."""

    throws: int


class Dice(Task):
    """Estimate the mean of a die from a few throws."""

    name = "dice"
    system_type = Thrower
    metrics = (
        Metric("error", "", higher_is_better=False, primary=True),
        Metric("shift", "", higher_is_better=False, needs_reference=True),
        Metric("spread", "", higher_is_better=False, per="set"),
    )

    class Params(StrictParams):
        throws: int = 8

    def load(self, ctx):
        return Thrower(self.params.throws)

    def samples(self, split, subset=None):
        return [Sample(f"{split}-{sides}", {"sides": sides}) for sides in (4, 6, 8, 12, 20)]

    def run(self, system, batch, seed):
        return [{"throws": self.throw(system, sample, noise_seed(sample.id, seed))} for sample in batch]

    def throw(self, system, sample, seed):
        return np.random.default_rng(seed).integers(1, sample.data["sides"] + 1, system.throws)

    def score(self, outputs, batch, reference):
        means = np.array([output["throws"].mean() for output in outputs])
        truth = np.array([(sample.data["sides"] + 1) / 2 for sample in batch])
        shift = np.full(len(batch), np.nan)
        if reference is not None:
            shift = np.abs(means - np.array([output["throws"].mean() for output in reference]))
        return Scores({"error": np.abs(means - truth), "shift": shift}, {"mean": [np.array([m]) for m in means]})

    def summariser(self, scores):
        plain, means = super().summariser(scores), np.concatenate(scores.arrays["mean"])

        def summarise(weights):
            summary = plain(weights)
            if np.count_nonzero(weights) > 1:
                centre = np.average(means, weights=weights)
                summary["spread"] = float(np.average((means - centre) ** 2, weights=weights))
            return summary

        return summarise


class BadName(Dice):
    name = "Dice_Task"


class OldApi(Dice):
    api_version = 0


class Unfinished(Dice):
    score = Task.score


class LooseParams(Dice):
    class Params(StrictParams):
        model_config = {"extra": "allow", "frozen": False}  # noqa: RUF012


class NeedyParams(Dice):
    class Params(StrictParams):
        throws: int


class UnwritableParams(Dice):
    class Params(StrictParams):
        throws: int = 8
        hook: object = object()


class ForeignParams(Dice):
    Params = dict


class NoMetrics(Dice):
    metrics = ()


class TwoPrimaries(Dice):
    metrics = tuple(replace(metric, primary=metric.name != "spread") for metric in Dice.metrics)


class MetricTwice(Dice):
    metrics = (*Dice.metrics, Metric("error", "", higher_is_better=False))


class MetricMisnamed(Dice):
    metrics = (*Dice.metrics, Metric("Mean Error", "", higher_is_better=False, per="set"))


class AnySystem(Dice):
    system_type = System


class RaisesInInit(Dice):
    def __init__(self, params=None):
        raise ValueError("no")


class EmptySplit(Dice):
    def samples(self, split, subset=None):
        return [] if split == "calibration" else super().samples(split)


class EmptyEvaluation(Dice):
    def samples(self, split, subset=None):
        return [] if split == "evaluation" else super().samples(split)


class NoSamples(Dice):
    def samples(self, split, subset=None):
        return [sample.data for sample in super().samples(split)]


class SharedIds(Dice):
    def samples(self, split, subset=None):
        return super().samples("evaluation")


class RepeatedIds(Dice):
    def samples(self, split, subset=None):
        return 2 * list(super().samples(split))


class RotatingSamples(Dice):
    calls = itertools.count()

    def samples(self, split, subset=None):
        samples = super().samples(split)
        start = next(self.calls) % len(samples)
        return samples[start:] + samples[:start]


class OrderByHash(Dice):
    def samples(self, split, subset=None):
        return [Sample(f"{split}-{hash(sample.id)}", sample.data) for sample in super().samples(split)]


class ObjectsInSamples(Dice):
    def samples(self, split, subset=None):
        return [Sample(sample.id, {**sample.data, "thing": object()}) for sample in super().samples(split)]


class LoadRaises(Dice):
    def load(self, ctx):
        raise PluginError("there is no die")


class LoadsAnother(Dice):
    def load(self, ctx):
        return System()


class LoadsAtRandom(Dice):
    def load(self, ctx):
        return Thrower(random.randrange(5, 10**4))


class DropsOutputs(Dice):
    def run(self, system, batch, seed):
        return super().run(system, batch, seed)[:-1]


class YieldsOutputs(Dice):
    def run(self, system, batch, seed):
        return (output for output in super().run(system, batch, seed))


class BareOutputs(Dice):
    def run(self, system, batch, seed):
        return [output["throws"] for output in super().run(system, batch, seed)]


class ListOutputs(Dice):
    def run(self, system, batch, seed):
        return [{"throws": output["throws"].tolist()} for output in super().run(system, batch, seed)]


class ObjectOutputs(Dice):
    def run(self, system, batch, seed):
        return [{"throws": output["throws"].astype(object)} for output in super().run(system, batch, seed)]


class UnevenOutputs(Dice):
    def run(self, system, batch, seed):
        return [{**output, f"extra-{i}": output["throws"]} for i, output in enumerate(super().run(system, batch, seed))]


class NanOutputs(Dice):
    def throw(self, system, sample, seed):
        return super().throw(system, sample, seed) * np.nan


class Unseeded(Dice):
    def throw(self, system, sample, seed):
        return np.random.default_rng().random(system.throws)


class SeededByPlace(Dice):
    def run(self, system, batch, seed):
        return [{"throws": self.throw(system, sample, seed + i)} for i, sample in enumerate(batch)]


class SeededByBatchSize(Dice):
    def run(self, system, batch, seed):
        return [{"throws": self.throw(system, sample, noise_seed(sample.id, len(batch)))} for sample in batch]


class ProbeNoCall(Dice):
    def probes(self, system, batch_size):
        return self.run(system, self.samples("calibration")[:batch_size], seed=0)


class ProbeOnce(Dice):
    def probes(self, system, batch_size):
        calls = iter([1])
        return [lambda: next(calls)]


class ScoreRaises(Dice):
    def score(self, outputs, batch, reference):
        return super().score(outputs, batch, list(reference))


class ScoreNotScores(Dice):
    def score(self, outputs, batch, reference):
        return dict(super().score(outputs, batch, reference).scalars)


def _rescored(scalars=None, arrays=None):
    """Return a task whose scores pass through a change of their scalars or arrays."""

    class Rescored(Dice):
        def score(self, outputs, batch, reference):
            scores = super().score(outputs, batch, reference)
            return Scores(
                scalars(dict(scores.scalars)) if scalars else scores.scalars,
                arrays(dict(scores.arrays)) if arrays else scores.arrays,
            )

    return Rescored


class ScoreUsesReference(Dice):
    def score(self, outputs, batch, reference):
        scores = super().score(outputs, batch, reference)
        return replace(scores, scalars={**scores.scalars, "error": scores.scalars["error"] + (reference is not None)})


def _resummarised(change):
    """Return a task whose summary is ``change(summary, scores, weights)``."""

    class Resummarised(Dice):
        def summariser(self, scores):
            plain = super().summariser(scores)
            return lambda weights: change(plain(weights), scores, weights)

    return Resummarised


def _unweighted(summary, scores, weights):
    return {**summary, "spread": float(len(weights) * np.var(np.concatenate(scores.arrays["mean"])))}


def _remarking(said):
    """Return a task that says ``said`` beside its numbers."""

    class Remarking(Dice):
        def remarks(self, scores):
            return said

    return Remarking


BROKEN = [
    (BadName, "name is 'Dice_Task'"),
    (OldApi, "api_version is 0, this EffBench has 2"),
    (Unfinished, "score of the contract not written"),
    (LooseParams, "Params is not frozen"),
    (LooseParams, "Params takes unknown keys"),
    (NeedyParams, "Params() cannot be built without arguments (throws)"),
    (UnwritableParams, "Params cannot be written as JSON"),
    (ForeignParams, "write `class Params(StrictParams):`"),
    (NoMetrics, "metrics must be a non-empty tuple"),
    (TwoPrimaries, "2 metrics are primary (error, shift)"),
    (MetricTwice, "metric 'error' is declared twice"),
    (MetricMisnamed, "metric name 'Mean Error'"),
    (AnySystem, "system_type is"),
    (RaisesInInit, "RaisesInInit(params) raised ValueError: no"),
    (EmptySplit, "samples('calibration') is empty"),
    (EmptyEvaluation, "samples('evaluation') is empty"),
    (NoSamples, "holds something that is no Sample"),
    (SharedIds, "is in both splits"),
    (RepeatedIds, "gives the id 'calibration-4' 2 times"),
    (RotatingSamples, "another order the second time"),
    (ObjectsInSamples, "the data of sample 'calibration-4' is not JSON"),
    (LoadRaises, "load(ctx) raised PluginError: there is no die"),
    (LoadsAnother, "load returned System, system_type says Thrower"),
    (LoadsAtRandom, "a second load gives other outputs"),
    (DropsOutputs, "run returned 2 outputs for 3 samples"),
    (YieldsOutputs, "run returned generator"),
    (BareOutputs, "run returned ndarray for 'evaluation-4'"),
    (ListOutputs, "array 'throws' is list"),
    (ObjectOutputs, "array 'throws' has dtype object"),
    (UnevenOutputs, "names the arrays of 'evaluation-6'"),
    (NanOutputs, "array 'throws' holds NaN"),
    (Unseeded, "the same seed gives other outputs"),
    (SeededByPlace, "an output depends on its batch mates"),
    (SeededByBatchSize, "an output depends on its batch mates"),
    (ProbeNoCall, "probes(system, 1) holds dict"),
    (ProbeOnce, "the second call of probes(system, 1)[0] raised StopIteration"),
    (ScoreRaises, "score(outputs, batch, reference=None) raised TypeError"),
    (ScoreNotScores, "score with no reference returned dict"),
    (_rescored(lambda s: {"shift": s["shift"]}), "lacks the per-sample metric 'error'"),
    (_rescored(lambda s: s | {"error": s["error"][:, None]}), "gives 'error' as float64 [3, 1]"),
    (_rescored(lambda s: s | {"error": s["error"].tolist()}), "gives 'error' as list"),
    (_rescored(lambda s: s | {"error": s["error"] * np.nan}), "gives NaN for 'error'"),
    (_rescored(lambda s: s | {"shift": s["shift"] * np.nan}), "score with a reference gives NaN for 'shift'"),
    (_rescored(lambda s: s | {"error": s["error"] - s["error"].mean()}), "'error' of a sample depends on the others"),
    (_rescored(arrays=lambda a: {"mean": a["mean"][1:]}), "gives the arrays 'mean' in another form"),
    (ScoreUsesReference, "score 'error' changes with the reference"),
    (_resummarised(lambda s, *_: s | {"extra": 1.0}), "gives 'extra', which is not among the metrics"),
    (_resummarised(lambda s, *_: s | {"error": np.array([s["error"]])}), "'error' as ndarray"),
    (_resummarised(lambda s, *_: s | {"spread": np.nan}), "gives 'spread' as NaN; leave out"),
    (
        _resummarised(lambda s, *_: {k: v for k, v in s.items() if k != "error"}),
        "leaves out the per-sample metric 'error'",
    ),
    (_resummarised(lambda s, *_: s | {"error": 2 * s["error"]}), "the weighted mean of its scores"),
    (_resummarised(lambda s, _, w: s | {"spread": float(w.sum())}), "when all weights are multiplied by 7"),
    (
        _resummarised(lambda s, scores, w: s | {"spread": float(scores.arrays["mean"][0][0])}),
        "when the samples are reversed",
    ),
    (_resummarised(_unweighted), "when a sample of weight 0 is removed altogether"),
    (_resummarised(lambda s, *_: {"spread": np.nan} | s), "as NaN where one sample has all the weight"),
    (_remarking(["it drifts"]), "remarks returned list"),
    (_remarking({"luck": ["it drifts"]}), "remarks speaks of 'luck', which is not among the metrics"),
    (_remarking({"error": "it drifts"}), "remarks gives 'error' as str"),
    (_remarking({"error": ["it\ndrifts"]}), "remarks gives 'error' what is no printable line"),
]


def violations(task_class, **options) -> Sequence[str]:
    """Return what the checker finds."""
    with pytest.raises(ConformanceError) as caught:
        check_task(task_class, **options)
    return caught.value.violations


def test_a_good_task_passes():
    report = check_task(Dice)
    assert "importing is light" in report.passed
    assert "ids are the same in another process" in report.passed
    assert report.notes == ("another seed changes the outputs",)
    assert str(report).startswith("task 'dice' keeps the contract")


@pytest.mark.parametrize(("task_class", "words"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_each_violation_is_caught(task_class, words):
    assert any(words in violation for violation in violations(task_class, fresh_process=False))


@pytest.mark.parametrize("task_class", dict.fromkeys(task_class for task_class, _ in BROKEN), ids=lambda c: c.__name__)
def test_violations_are_single_sentences_without_follow_ups(task_class):
    found = violations(task_class, fresh_process=False)
    assert all("\n" not in violation for violation in found)
    assert len(set(found)) == len(found) <= 6


def test_all_violations_are_listed_at_once():
    class ManyFaults(BadName, OldApi, SharedIds, Unseeded):
        pass

    found = "\n".join(violations(ManyFaults, fresh_process=False))
    for words in ("name is", "api_version is", "in both splits", "the same seed"):
        assert words in found


def test_what_a_failed_step_kept_from_running_is_said():
    with pytest.raises(ConformanceError) as caught:
        check_task(LoadRaises, fresh_process=False)
    assert len(caught.value.violations) == 1
    assert "samples do not see their batch" in caught.value.not_checked
    assert "not checked because of the above" in str(caught.value)


def test_ids_from_string_hashes_are_caught_in_another_process():
    assert any("gives other ids in another process" in violation for violation in violations(OrderByHash))


def test_a_tolerance_forgives_rounding_and_no_more():
    class Rounds(Dice):
        scale = 1e-6

        def throw(self, system, sample, seed):
            return super().throw(system, sample, seed).astype(np.float64)

        def run(self, system, batch, seed):
            factor = 1 + self.scale * len(batch)
            return [{"throws": output["throws"] * factor} for output in super().run(system, batch, seed)]

    class Drifts(Rounds):
        scale = 1e-2

    assert check_task(Rounds, rtol=1e-4, fresh_process=False)
    assert any("batch mates" in v for v in violations(Rounds, fresh_process=False))
    assert any("batch mates" in v for v in violations(Drifts, rtol=1e-4, fresh_process=False))


def test_set_metrics_that_need_more_samples_are_a_note():
    class Demanding(Dice):
        def summariser(self, scores):
            plain = super().summariser(scores)
            return lambda w: plain(w) if len(w) > 3 else {k: v for k, v in plain(w).items() if k != "spread"}

    assert "spread" in check_task(Demanding, fresh_process=False).notes[-1]
    assert len(check_task(Demanding, n_samples=5, fresh_process=False).notes) == 1


def test_one_sample_is_too_few():
    with pytest.raises(ValueError, match="at least 2"):
        check_task(Dice, n_samples=1)


class Timed(Dice):
    """Keeps how long it took, which is never the same twice, and has a number that it may not reach."""

    metrics = (*Dice.metrics, Metric("six_at", "", higher_is_better=False, undefined="not_reached"))

    def run(self, system, batch, seed):
        took = np.array([time.perf_counter()])
        return [output | {"took_s": took} for output in super().run(system, batch, seed)]

    def score(self, outputs, batch, reference):
        found = super().score(outputs, batch, reference)
        return Scores({**found.scalars, "six_at": np.full(len(batch), np.nan)}, found.arrays)


def test_times_need_not_agree_and_a_goal_need_not_be_reached():
    assert check_task(Timed, fresh_process=False)


def test_a_time_under_another_name_is_told_how_times_are_named():
    class Misnamed(Timed):
        def run(self, system, batch, seed):
            return [
                {("took" if k == "took_s" else k): v for k, v in o.items()} for o in super().run(system, batch, seed)
            ]

    found = violations(Misnamed, fresh_process=False)
    assert [v for v in found if "second load" in v and "ending in _s" in v]
    assert [v for v in found if "batch mates" in v and "ending in _s" in v]


def test_outputs_that_are_times_alone_are_refused():
    class TimesAlone(Timed):
        def run(self, system, batch, seed):
            return [{"took_s": output["throws"]} for output in super().run(system, batch, seed)]

    assert any("nothing could tell two systems apart" in v for v in violations(TimesAlone, fresh_process=False))
