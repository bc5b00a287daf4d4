"""What a plan may be tied to, and that the baselines change what they say they change."""

from dataclasses import replace
from typing import get_args

import diffusion_systems as systems
import numpy as np
import pytest
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from pydantic import ValidationError

from effbench.api import Artifact, Context, Method, PluginError
from effbench.contract.chains import chain_problems, setting_problems, tied_settings
from effbench.diffusion import DiffusionSystem
from effbench.tasks.t2i.schedulers import SchedulerName, scheduler_of
from effbench.tasks.t2i.task import TextToImage
from effbench_baselines.bf16.method import BFloat16
from effbench_baselines.fewer_steps.method import FewerSteps
from effbench_baselines.guidance_off.method import GuidanceOff
from effbench_baselines.sampler.method import Sampler

EVERYTHING = (
    "model", "revision", "scheduler", "steps", "height", "width", "frames", "guidance_order", "guidance_scale",
)  # fmt: skip


class Planned(Method):
    """A method with a plan for one way of sampling."""

    name = "planned"
    accepts = (DiffusionSystem,)
    tied_to = EVERYTHING

    def apply(self, system, artifact):
        return system


def fresh():
    task = TextToImage(TextToImage.Params(steps=20))
    return task, task.load(Context())


def test_the_settings_of_an_embedded_model():
    task, system = fresh()
    settings = dict(system.settings())
    assert tuple(settings) == EVERYTHING
    assert settings.pop("scheduler").startswith("DPMSolverMultistepScheduler:")
    assert task.revision().startswith(f"{settings.pop('revision')}+prompts:")
    assert settings == {
        "model": "zoo:digits-pixart", "steps": 20, "height": 32, "width": 32, "frames": 1,
        "guidance_order": "unconditional-first", "guidance_scale": 2.5,
    }  # fmt: skip
    assert fresh()[1].settings() == system.settings()  # another process must say the same


def test_a_folder_is_called_by_its_name_wherever_it_lies(tmp_path):
    import shutil

    from effbench import zoo

    for place in ("here", "there"):
        shutil.copytree(zoo.find("zoo:digits-pixart").weights, tmp_path / place / "model")
    tasks = [
        TextToImage(TextToImage.Params(system=str(tmp_path / place / "model"), steps=1)) for place in ("here", "there")
    ]
    one, other = (task.load(Context()).settings() for task in tasks)
    assert one == other and one["model"] == "model"


@pytest.mark.parametrize(
    "method",
    [
        FewerSteps(FewerSteps.Params(steps=10)),
        GuidanceOff(),
        Sampler(Sampler.Params(solver="unipc2")),
        Sampler(Sampler.Params(solver="dpm-solver++3")),
        BFloat16(),
    ],
    ids=lambda method: method.name,
)
def test_a_baseline_changes_exactly_what_it_declares_and_a_plan_under_it_is_refused(method):
    _, system = fresh()
    made_for = tied_settings(Planned(), system)
    assert not list(setting_problems(Planned(), made_for, system))
    changed = method.apply(system, Artifact())
    differ = {name for name, value in made_for.items() if changed.settings()[name] != value}
    assert differ == set(method.changes)
    problems = list(setting_problems(Planned(), made_for, changed))
    assert len(problems) == bool(method.changes)
    assert all(name in problems[0] for name in method.changes)
    assert bool(list(chain_problems([Planned(), method]))) == bool(method.changes)
    assert not list(chain_problems([method, Planned()]))


@pytest.mark.parametrize(
    ("name", "value"), [("height", 64), ("width", 64), ("frames", 2), ("model", "other"), ("revision", "other")]
)
def test_another_size_model_or_revision_is_another_setting(name, value):
    _, system = fresh()
    assert replace(system, **{name: value}).settings()[name] == value != system.settings()[name]


def test_a_task_s_own_scheduler_is_a_setting_that_plans_are_tied_to_and_makes_pictures():
    def system(scheduler, of="zoo:digits-dit"):
        return (task := TextToImage(TextToImage.Params(system=of, steps=3, scheduler=scheduler))), task.load(Context())

    settings = {}
    of_flows = [name for name in get_args(SchedulerName) if name != "DDIMScheduler"]
    for name in (None, *of_flows):
        task, changed = system(name)
        settings[name] = changed.settings()["scheduler"]
        assert name is None or settings[name].startswith(f"{name}:")
        assert np.isfinite(task.run(changed, task.samples("evaluation")[:1], 0)[0]["image"]).all()
    own = settings[None].partition(":")[0]
    assert settings[own] == settings[None] and len(set(settings.values())) == len(of_flows)
    other = next(name for name in settings if name not in (None, own))
    made_for = tied_settings(Planned(), system(None)[1])
    assert any("scheduler" in problem for problem in setting_problems(Planned(), made_for, system(other)[1]))


def test_a_scheduler_that_cannot_stand_in_is_refused_in_one_sentence():
    with pytest.raises(PluginError, match="'DDIMScheduler': cannot take the place of DPMSolverMultistepScheduler; "):
        TextToImage(TextToImage.Params(system="zoo:digits-pixart", scheduler="DDIMScheduler")).load(Context())
    flow = FlowMatchEulerDiscreteScheduler()
    with pytest.raises(PluginError, match="FlowMatchEulerDiscreteScheduler; did you mean 'FlowMatchEulerDiscrete"):
        scheduler_of(flow, "UniPCMultistepScheduler")
    for name in get_args(SchedulerName):
        made = scheduler_of(DDIMScheduler(beta_end=0.03), name)
        assert type(made).__name__ == name and made.config.beta_end == 0.03
    with pytest.raises(ValidationError):
        TextToImage.Params(scheduler="DPMSolverScheduler")


def test_orders_of_one_solver_are_told_apart():
    def scheduler(order):
        return (
            Sampler(Sampler.Params(solver=f"dpm-solver++{order}")).apply(fresh()[1], Artifact()).settings()["scheduler"]
        )

    assert len({scheduler(order) for order in (1, 2, 3)}) == 3


@pytest.mark.parametrize("name", systems.NAMES)
def test_every_pipeline_class_says_all_of_them(name):
    settings = systems.loaded(name)[1].settings()
    assert set(settings) == set(EVERYTHING) and all(value not in ("", None) for value in settings.values())
