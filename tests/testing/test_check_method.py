"""``check_method`` passes good methods and catches every way of breaking the contract: each check can fail."""

import random
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from effbench.api import Artifact, Claim, Method, Metric, Sample, Scores, StrictParams, System, Task, noise_seed
from effbench.testing import ConformanceError, check_method


@dataclass(frozen=True)
class Filter(System):
    """Multiplies a signal by a gain; ``hooks`` change the list of filtered signals of a batch."""

    gain: float
    hooks: tuple = field(default=())

    def __call__(self, signals):
        outputs = [self.gain * signal for signal in signals]
        for hook in self.hooks:
            outputs = hook(outputs)
        return outputs


class Filtering(Task):
    """Filter three noisy signals."""

    name = "filtering"
    system_type = Filter
    metrics = (Metric("power", "", higher_is_better=False, primary=True),)

    def load(self, ctx):
        return Filter(2.0)

    def samples(self, split, subset=None):
        return [Sample(f"{split}-{number}") for number in range(4)]

    def run(self, system, batch, seed):
        signals = [np.random.default_rng(noise_seed(sample.id, seed)).standard_normal(5) for sample in batch]
        return [{"signal": signal} for signal in system(signals)]

    def score(self, outputs, batch, reference):
        return Scores({"power": np.array([np.mean(output["signal"] ** 2) for output in outputs])})


class Quiet(Method):
    """A gain that is measured on calibration samples."""

    name = "quiet"
    accepts = (Filter,)

    class Params(StrictParams):
        share: float = 0.5

    def prepare(self, system, ctx):
        assert ctx.calibration()[0].id == "calibration-0"
        return Artifact({"gain": np.array(system.gain * self.params.share)}, {"links": ["a", 1, None]})

    def apply(self, system, artifact):
        return replace(system, gain=float(artifact.tensors["gain"]))


def hooked(make_hook):
    """Return a method whose system passes the outputs of a batch through ``make_hook()``."""

    class Hooked(Quiet):
        def apply(self, system, artifact):
            return replace(system, hooks=(make_hook(),))

    return Hooked


def prepared(make_artifact):
    """Return a method whose preparation leaves ``make_artifact()``."""

    class Prepared(Quiet):
        def prepare(self, system, ctx):
            return make_artifact()

        def apply(self, system, artifact):
            return system

    return Prepared


def applied(change):
    """Return a method that applies ``change(system)``."""

    class Applied(Quiet):
        def apply(self, system, artifact):
            return change(system)

    return Applied


def running_mean():
    """Return a hook that keeps state between samples, as a cache does that is never reset."""
    seen = []

    def hook(outputs):
        seen.extend(outputs)
        return [output + len(seen) for output in outputs]

    return hook


def raising(*_):
    raise ValueError("no\nfilter")


class BadName(Quiet):
    name = "quiet_method"


class NextApi(Quiet):
    api_version = 3


class Unfinished(Quiet):
    apply = Method.apply


class LooseParams(Quiet):
    class Params(StrictParams):
        model_config = {"extra": "ignore"}  # noqa: RUF012


class UnwritableParams(Quiet):
    class Params(StrictParams):
        share: float = float("nan")


class UnstableParams(Quiet):
    class Params(StrictParams):
        layers: object = (1, 2)


class AcceptsNothing(Quiet):
    accepts = ()


class AcceptsNames(Quiet):
    accepts = ("Filter",)


class AcceptsAnother(Quiet):
    @dataclass(frozen=True)
    class Amplifier(System):
        pass

    accepts = (Amplifier,)


class Imagined(Quiet):
    def execution(self):
        return "imagined"


class BareClaim(Quiet):
    claims = (Claim("speed-up", 2.0, "x", "on an A100", " "), Claim("speed-up", float("nan"), "x", "here", "Table 1"))


class ClaimText(Quiet):
    claims = ("twice as fast",)


class ProbeBreaks(Filtering):
    def probes(self, system, batch_size):
        return [raising]


BROKEN = [
    (BadName, "name is 'quiet_method'"),
    (NextApi, "api_version is 3, this EffBench has 2"),
    (Unfinished, "apply of the contract not written"),
    (LooseParams, "Params takes unknown keys"),
    (UnwritableParams, "Params cannot be written as JSON"),
    (UnstableParams, "Params come back from JSON as other values"),
    (AcceptsNothing, "accepts is ()"),
    (AcceptsNames, "accepts is ('Filter',)"),
    (AcceptsAnother, "accepts (Amplifier) does not cover Filter of task 'filtering'"),
    (Imagined, "execution() returned 'imagined'"),
    (BareClaim, "lacks its setting or its source"),
    (BareClaim, "has the value nan"),
    (ClaimText, "claims must be a tuple"),
    (prepared(raising), "prepare(system, ctx) raised ValueError: no filter"),
    (prepared(dict), "prepare returned dict"),
    (prepared(lambda: Artifact({"plan": [1, 2]})), "artifact tensor 'plan' is list"),
    (prepared(lambda: Artifact({"plan": np.array(["a"])})), "artifact tensor 'plan' has dtype <U1"),
    (prepared(lambda: Artifact({"plan": np.ones(2, np.longdouble)})), "artifact tensor 'plan' has dtype"),
    (prepared(lambda: Artifact({"plan": np.ones(2, ">f8")})), "comes back changed from safetensors"),
    (prepared(lambda: Artifact(config={"bits": (4, 8)})), "tuples become lists"),
    (prepared(lambda: Artifact(config={1: "one"})), "keys become strings"),
    (prepared(lambda: Artifact(config={"scale": np.float32(1)})), "config is not JSON"),
    (prepared(lambda: Artifact(config={"scale": float("inf")})), "config is not JSON"),
    (applied(raising), "apply(system, artifact) raised ValueError"),
    (applied(lambda system: System()), "apply returned System; return a Filter"),
    (applied(lambda system: None), "apply returned NoneType"),
    (applied(lambda system: replace(system, gain=random.random())), "apply on a second system gives other outputs"),
    (hooked(lambda: raising), "the task's run on the changed system raised ValueError"),
    (hooked(lambda: lambda outputs: outputs[1:]), "returned 2 outputs for 3 samples"),
    (hooked(lambda: lambda outputs: [np.nan * output for output in outputs]), "holds NaN or infinity"),
    (hooked(lambda: lambda outputs: [output / len(outputs) for output in outputs]), "depends on its batch mates"),
    (hooked(lambda: lambda outputs: [sum(outputs)] * len(outputs)), "depends on its batch mates"),
    (hooked(running_mean), "depends on its batch mates"),
]


def violations(method_class, task=None, **options):
    """Return what the checker finds."""
    with pytest.raises(ConformanceError) as caught:
        check_method(method_class, task=task or Filtering(), **{"fresh_process": False, **options})
    return caught.value.violations


def test_a_good_method_passes():
    report = check_method(Quiet, task=Filtering())
    assert "importing is light" in report.passed
    assert "apply is deterministic" in report.passed
    assert report.notes == ()


def test_a_method_without_effect_is_noted():
    report = check_method(Quiet, task=Filtering(), params=Quiet.Params(share=1.0), fresh_process=False)
    assert report.notes == ("the outputs are those of the unchanged system, bit by bit",)


@pytest.mark.parametrize(("method_class", "words"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_each_violation_is_caught(method_class, words):
    found = violations(method_class)
    assert any(words in violation for violation in found)
    assert len(set(found)) == len(found) <= 2
    assert all("\n" not in violation for violation in found)


def test_every_layout_of_a_tensor_reaches_apply_unchanged():
    matrix = np.arange(6.0).reshape(2, 3).T

    class Transposed(Quiet):
        def prepare(self, system, ctx):
            return Artifact({"matrix": matrix, "gain": np.array(3.0)})

        def apply(self, system, artifact):
            assert np.array_equal(artifact.tensors["matrix"], matrix)
            assert artifact.tensors["gain"].shape == ()
            return system

    assert check_method(Transposed, task=Filtering(), fresh_process=False)


def test_a_tolerance_forgives_rounding():
    rounding = hooked(lambda: lambda outputs: [output * (1 + 1e-6 * len(outputs)) for output in outputs])
    assert check_method(rounding, task=Filtering(), rtol=1e-4, fresh_process=False)
    assert any("batch mates" in violation for violation in violations(rounding))


def test_a_probe_that_fails_on_the_changed_system_is_caught():
    found = violations(Quiet, task=ProbeBreaks())
    assert found == (
        "the first call of the task's probe raised ValueError: no filter; latency times it many times in a row",
    )


def test_one_sample_is_too_few():
    with pytest.raises(ValueError, match="at least 2"):
        check_method(Quiet, task=Filtering(), n_samples=1)


def shaken(by):
    """Return a task whose own outputs depend on the batch size by a share ``by``, as a library's choice of kernels does."""

    class Shaken(Filtering):
        def run(self, system, batch, seed):
            return [{"signal": o["signal"] * (1 + by * len(batch))} for o in super().run(system, batch, seed)]

    return Shaken()


def leaking(by):
    return hooked(lambda: lambda outputs: [output * (1 + by * len(outputs)) for output in outputs])


def test_a_method_may_round_as_the_unchanged_system_does_and_not_much_more():
    """The case starter-package-for-t2v: nothing was allowed where torch itself rounds by batch size."""
    assert check_method(Quiet, task=shaken(1e-7), fresh_process=False)
    assert check_method(leaking(3e-7), task=shaken(1e-7), fresh_process=False)
    for method, task in ((leaking(1e-5), shaken(1e-7)), (leaking(1e-12), shaken(0.0))):
        with pytest.raises(ConformanceError, match="depends on its batch mates"):
            check_method(method, task=task, fresh_process=False)
    with pytest.raises(ConformanceError, match="the unchanged system's own outputs depend on their batch mates"):
        check_method(Quiet, task=shaken(0.01), fresh_process=False)
