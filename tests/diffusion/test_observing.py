"""Observers hear of every call, step and run of the denoiser, and leave nothing behind."""

from dataclasses import replace

import diffusion_systems as systems
import numpy as np
import pytest
import tiny_pipelines

from effbench.api import Context
from effbench.diffusion import SamplingObserver, Step
from effbench.diffusion.observing import replaced


class Log(SamplingObserver):
    def __init__(self, fail_at=None):
        self.events, self.fail_at = [], fail_at

    def call_begins(self, system):
        self.events.append("begin")

    def step_begins(self, step):
        if step.index == self.fail_at:
            raise RuntimeError("an observer's own fault")
        self.events.append(step)

    def denoiser_runs(self, call):
        self.events.append(call)

    def call_ends(self):
        self.events.append("end")

    @property
    def steps(self):
        return [event for event in self.events if isinstance(event, Step)]


def left_behind(system):
    scheduler, denoiser = system.pipeline.scheduler, system.denoiser
    return ["step"] * ("step" in vars(scheduler)) + list(denoiser._forward_pre_hooks.values())


@pytest.mark.parametrize("name", systems.NAMES)
def test_steps_are_the_scheduler_s_and_start_anew_with_every_call(name):
    task, system = systems.loaded(name)
    log = Log()
    system = replace(system, steps=3).observed_by(log)
    for _ in range(2):
        log.events.clear()
        task.run(system, systems.samples(name)[:1], 0)
        timesteps = system.pipeline.scheduler.timesteps.tolist()
        assert len(timesteps) == 3
        assert log.steps == [Step(i, 3, 0, float(t)) for i, t in enumerate(timesteps)]
        per_step = 2 if system.guidance_order == "conditional-call-first" else 1
        kinds = ["step" if isinstance(e, Step) else e if isinstance(e, str) else e.number for e in log.events]
        assert kinds == ["begin", *(["step", *range(per_step)] * 3), "end"]
        assert not left_behind(system)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=[pytest.mark.proof] if n in ("WanPipeline", "StableDiffusionXLPipeline") else [])
        for n in systems.NAMES
    ],
)
def test_what_is_observed_is_what_runs_unobserved(name):
    task, system = systems.loaded(name)
    plain, seen = (task.run(s, systems.samples(name)[:1], 0)[0] for s in (system, system.observed_by(Log())))
    assert all(np.array_equal(plain[key], seen[key]) for key in plain)


@pytest.mark.parametrize(
    ("kind", "evaluations"), [("HeunDiscreteScheduler", 2), ("EulerAncestralDiscreteScheduler", 1)]
)
def test_a_solver_of_second_order_runs_the_denoiser_twice_a_step_and_noise_stays_each_sample_s(kind, evaluations):
    from effbench.tasks.t2i.task import TextToImage

    pipeline = tiny_pipelines.sdxl(kind)
    pipeline.set_progress_bar_config(disable=True)
    task = TextToImage(TextToImage.Params(steps=4, long_prompts="cut"))
    task._check_prompts = lambda *_: None
    system, log = replace(task.system_of(pipeline), steps=4), Log()
    batch = systems.samples("CogVideoXPipeline")
    plain, seen = task.run(system, batch, 0), task.run(system.observed_by(log), batch, 0)
    assert all(np.array_equal(a["latent"], b["latent"]) for a, b in zip(plain, seen))
    assert [(s.index, s.count) for s in log.steps] == [(i, 4) for i in range(4)]
    runs = [(e.step.index, e.step.evaluation) for e in log.events if not isinstance(e, str | Step)]
    every = [(i, e) for i in range(4) for e in range(evaluations)]
    assert runs == (every[:-1] if evaluations == 2 else every)  # Heun's last step is of first order


def test_an_error_ends_the_call_and_leaves_nothing():
    task, system = systems.loaded("PixArtSigmaPipeline")
    log, other = Log(fail_at=1), Log()
    watched = system.observed_by(other).observed_by(log)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="an observer's own fault"):
            task.run(watched, systems.samples("PixArtSigmaPipeline")[:1], 0)
        assert not left_behind(system)
    assert log.events.count("end") == other.events.count("end") == 2
    assert [s.index for s in log.steps] == [0, 0]


def test_a_denoiser_alone_is_one_step():
    from effbench.tasks.denoiser.task import Denoiser

    task = Denoiser(Denoiser.Params(**Denoiser.small))
    system, log = task.load(Context()), Log()
    task.run(system.observed_by(log), task.samples("evaluation"), 0)
    _, step, call, _ = log.events
    assert (step.index, step.count) == (0, 1)
    assert (call.unconditional(4), call.conditional(4)) == (slice(0, 2), slice(2, 4))
    assert not system.denoiser._forward_pre_hooks


def test_replaced_puts_back_what_was_there_even_after_an_error():
    class Thing:
        value = 1

    thing = Thing()
    with pytest.raises(RuntimeError), replaced(thing, "value", 2):
        assert thing.value == 2
        raise RuntimeError
    assert thing.value == 1 and not vars(thing)
    thing.value = 3
    with replaced(thing, "value", 2):
        pass
    assert thing.value == 3
