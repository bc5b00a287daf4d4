"""The sampler method on an equation with a known answer: data N(0, SPREAD^2), whose flow carries noise n to SPREAD * n."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler, PNDMScheduler

from effbench.api import Unsupported
from effbench.diffusion import DiffusionSystem
from effbench_baselines.sampler.method import SOLVERS, Sampler

SPREAD, STEPS = 0.5, 12
DETERMINISTIC = [name for name in SOLVERS if not name.startswith("sde")]


def system(scheduler):
    return DiffusionSystem(SimpleNamespace(scheduler=scheduler), STEPS, 1.0, 64, 64, 77)


def flow():
    return DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=1.0)


def sampled(solver, noise, seed=0):
    """Return where the solver ends, the velocity noise - data being the conditional mean given x."""
    scheduler = Sampler(Sampler.Params(solver=solver)).apply(system(flow()), None).pipeline.scheduler
    scheduler.set_timesteps(STEPS)
    x, generator, evaluations = noise, torch.Generator().manual_seed(seed), 0
    for place, timestep in enumerate(scheduler.timesteps):
        sigma = float(scheduler.sigmas[place])
        variance = (1 - sigma) ** 2 * SPREAD**2 + sigma**2
        velocity = x * (sigma - (1 - sigma) * SPREAD**2) / variance
        evaluations += 1
        more = {"generator": generator} if solver.startswith("sde") else {}
        x = scheduler.step(velocity, timestep, x, **more).prev_sample
    assert evaluations == STEPS
    return x


@pytest.mark.parametrize("solver", DETERMINISTIC)
def test_a_deterministic_solver_ends_near_the_flow_s_answer(solver):
    noise = torch.randn(2000, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.allclose(sampled(solver, noise), SPREAD * noise, atol=0.12 * SPREAD * float(noise.abs().max()))


def test_the_second_order_is_closer_than_the_first():
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    first, second = ((sampled(f"dpm-solver++{n}", noise) - SPREAD * noise).abs().max() for n in (1, 2))
    assert second < first / 2


def test_the_stochastic_solver_draws_the_data_s_spread_and_not_the_flow_s_answer():
    noise = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = sampled("sde-dpm-solver++2", noise)
    assert float(found.std()) == pytest.approx(SPREAD, rel=0.1)
    assert float(torch.corrcoef(torch.cat([found, noise], dim=1).T)[0, 1]) < 0.9


def test_the_model_s_schedule_and_prediction_are_kept_and_others_refused():
    changed = Sampler(Sampler.Params(solver="unipc2")).apply(system(flow()), None).pipeline.scheduler
    assert type(changed).__name__ == "UniPCMultistepScheduler"
    assert changed.config.prediction_type == "flow_prediction" and changed.config.use_flow_sigmas
    with pytest.raises(Unsupported, match="FlowMatchEulerDiscreteScheduler cannot be replaced by DEIS"):
        Sampler(Sampler.Params(solver="deis2")).apply(system(FlowMatchEulerDiscreteScheduler()), None)
    taken = Sampler(Sampler.Params(solver="deis2")).apply(system(PNDMScheduler()), None).pipeline.scheduler
    assert taken.config.prediction_type == "epsilon"
