"""Parts of the caching peers, each against what its paper or diffusers' formula says, computed by hand."""

from itertools import pairwise
from types import SimpleNamespace

import diffusion_systems as systems
import numpy as np
import pytest
import torch
from caching_cases import DIT, LATTE, PIXART, UNET, applied, context, first_of, made, psnr, reference

from effbench.api import Artifact, Context, PluginError, Unsupported
from effbench.caching.by_sample import by_sample
from effbench.caching.session import untouched_after
from effbench.diffusion import DenoiserCall, SamplingObserver, Step
from effbench_baselines.caching.broadcast_session import BroadcastSession
from effbench_baselines.caching.cache_dit import CacheDit
from effbench_baselines.caching.deep_cache_session import UnetLayer, places_of
from effbench_baselines.caching.mag_cache import MagCache
from effbench_baselines.caching.pyramid_attention_broadcast import PyramidAttentionBroadcast
from effbench_baselines.caching.teacache import TeaCache
from effbench_baselines.caching.teacache_session import TeaCacheSession, TeaCacheState, modulated_input
from effbench_baselines.caching.tome_session import MergedLayer, destinations_of, match, merge, unmerge
from effbench_baselines.caching.torch_compile import TorchCompile


@pytest.mark.parametrize(
    "name", [PIXART, pytest.param(DIT, marks=pytest.mark.proof), pytest.param(LATTE, marks=pytest.mark.proof)]
)
def test_the_modulated_input_is_what_the_first_attention_is_given(name):
    _, system = systems.loaded(name, 6)
    block, seen = system.denoiser.transformer_blocks[0], {}
    outer = block.register_forward_pre_hook(
        lambda m, args, kwargs: seen.update(
            given={**dict(zip(("hidden_states", "_", "encoder_hidden_states", "_", "timestep"), args)), **kwargs}
        ),
        with_kwargs=True,
    )
    inner = block.attn1.register_forward_pre_hook(lambda m, args: seen.update(attended=args[0]))
    first_of(name, system)
    outer.remove(), inner.remove()
    with torch.no_grad():
        assert torch.equal(modulated_input(block, seen["given"]), seen["attended"])


def test_teacache_sums_expected_changes_and_starts_anew_when_it_computes():
    """f(x) = 2 x; the input grows by 10 % a step, and 0.2 + 0.2 is below 0.5, 0.6 is not."""
    session = TeaCacheSession(0.5, (2.0, 0.0))
    session._now = TeaCacheState(residual=torch.zeros(1))
    skipped = []
    for index in range(9):
        session.call = DenoiserCall(Step(index, 9, 0, 0.0), "off")
        session._decide(torch.full((2, 3), 1.1**index))
        skipped.append(session._now.skips)
    #         first                                                            last
    assert skipped == [False, True, True, False, True, True, False, True, False]
    below = TeaCacheSession(0.0, (-5.0, 0.0))  # a polynomial below zero
    below._now = TeaCacheState(residual=torch.zeros(1))
    for index in range(3):
        below.call = DenoiserCall(Step(index, 9, 0, 0.0), "off")
        below._decide(torch.full((2, 3), 1.1**index))
        assert not below._now.skips


def test_teacache_fits_its_polynomial_and_says_when_there_is_too_little():
    _, system = systems.loaded(PIXART, 6)
    learned = made(TeaCache, degree=1).learn(system, context(PIXART))
    assert len(learned["coefficients"]) == 2 and learned["coefficients"][0] > 0
    assert 0 < learned["fitted_from"] < learned["fitted_to"] and 0 < learned["rms_error"] < 1
    with pytest.raises(
        PluginError, match="1 calibration samples of 6 steps give 5 changes, too few for a polynomial of degree 8"
    ):
        made(TeaCache, degree=8).learn(system, context(PIXART))


class Residuals(SamplingObserver):
    """Norms [tokens] of the residual of all blocks, evaluation by evaluation."""

    def __init__(self, denoiser):
        self.norms, self.inputs = [], []
        blocks = denoiser.transformer_blocks
        self.handles = [
            blocks[0].register_forward_pre_hook(lambda m, args: self.inputs.append(args[0])),
            blocks[-1].register_forward_hook(
                lambda m, args, out: self.norms.append((out - self.inputs[-1]).norm(dim=-1))
            ),
        ]


@pytest.mark.proof
def test_magnitude_ratios_are_the_mean_ratio_of_residual_norms():
    _, system = systems.loaded(PIXART, 6)
    residuals = Residuals(system.denoiser)
    first_of(PIXART, system)
    for handle in residuals.handles:
        handle.remove()
    norms = residuals.norms
    by_hand = [1.0, *(float((now / (before + 1e-8)).mean()) for before, now in pairwise(norms))]
    learned = made(MagCache).learn(system, context(PIXART))["mag_ratios"]
    assert learned == pytest.approx(by_hand, rel=1e-5) and len(learned) == 6


@pytest.mark.proof
def test_two_guided_calls_of_a_step_have_caches_of_their_own(monkeypatch):
    """Wan calls its denoiser twice a step; with one cache the second half would get the first one's attention to the text."""
    name, params = "WanPipeline", {"spatial": None, "cross": 2, "timesteps": (-1, 1001)}
    apart = psnr(first_of(name, applied(made(PyramidAttentionBroadcast, **params), name)), reference(name))
    monkeypatch.setattr(BroadcastSession, "denoiser_runs", lambda self, call: setattr(self, "call", call))
    mixed = psnr(first_of(name, applied(made(PyramidAttentionBroadcast, **params), name)), reference(name))
    assert apart > mixed + 1


@pytest.mark.parametrize("order", ["off", "unconditional-first", "conditional-call-first"])
def test_samples_run_one_by_one_and_come_back_in_their_rows(order):
    seen = []

    def forward(x, scalar, extra=None):
        seen.append(x.tolist())
        return (x[:, None] + extra["rows"][:, None] + scalar,)

    run = by_sample(forward, lambda: DenoiserCall(Step(0, 1, 0, 0.0), order), lambda number, run: run())
    x = torch.arange(6.0)
    out = run(x, torch.tensor(0.5), extra={"rows": 10 * x, "nothing": None})[0]
    assert torch.equal(out, (11 * x + 0.5)[:, None])
    assert seen == ([[i, i + 3] for i in range(3)] if order == "unconditional-first" else [[i] for i in range(6)])


def test_hooks_of_others_stay():
    from diffusers.hooks import HookRegistry, ModelHook

    outer = torch.nn.Sequential(torch.nn.Linear(2, 2))
    HookRegistry.check_if_exists_or_initialize(outer[0]).register_hook(ModelHook(), "theirs")
    theirs = outer[0].forward
    with untouched_after(outer):
        HookRegistry.check_if_exists_or_initialize(outer[0]).register_hook(ModelHook(), "ours")
        HookRegistry.check_if_exists_or_initialize(outer).register_hook(ModelHook(), "ours")
        outer(torch.ones(2))
    assert outer[0].forward is theirs and list(outer[0]._diffusers_hook.hooks) == ["theirs"]
    assert not {"forward", "_diffusers_hook"} & vars(outer).keys()
    outer(torch.ones(2))


def test_skips_of_a_u_net_are_counted_from_the_shallowest():
    """Two levels of one layer each: skips are conv_in, layer 0, its downsampler, layer 0 of the deeper level."""
    unet = systems.loaded(UNET, 6)[1].denoiser
    assert [places_of(unet, branch) for branch in range(4)] == [
        (UnetLayer(-1, 0), UnetLayer(1, 1)),
        (UnetLayer(0, 1), UnetLayer(1, 0)),
        (UnetLayer(0, 2), UnetLayer(0, 1)),
        (UnetLayer(1, 1), UnetLayer(0, 0)),
    ]
    with pytest.raises(ValueError, match="has 4 skip connections, and none of number 4"):
        places_of(unet, 4)


def test_merging_equal_tokens_loses_nothing():
    """In each row three tokens of a 2x2 cell are copies of one another, in rows of their own order."""
    generator = torch.Generator().manual_seed(0)
    layer = MergedLayer(4, 4, 2, 0.5)
    cells = torch.randn(2, 2, 2, 8, generator=generator)
    tokens = cells.repeat_interleave(2, 1).repeat_interleave(2, 2).flatten(1, 2)  # [2, 16, 8]
    tokens[:, [5, 7, 13, 15]] = torch.randn(2, 4, 8, generator=generator)
    destinations = destinations_of(layer, None)
    assert destinations.tolist() == [0, 2, 8, 10] and layer.merged == 8
    matching = match(tokens, destinations, layer.merged)
    merged = merge(tokens, matching)
    assert merged.shape == (2, 8, 8)
    torch.testing.assert_close(unmerge(merged, matching, 16), tokens, rtol=1e-6, atol=1e-6)


def test_a_merged_token_is_a_mean_and_most_of_a_cell_can_go():
    tokens = torch.tensor(
        [[[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [0.0, 4.0]]]
    )  # a grid of 1 x 4, cells of 1 x 1 in effect
    matching = match(tokens, torch.tensor([0, 2]), 2)
    assert merge(tokens, matching).tolist() == [[[2.0, 0.0], [0.0, 3.0]]]
    assert unmerge(merge(tokens, matching), matching, 4).tolist() == [[[2.0, 0.0]] * 2 + [[0.0, 3.0]] * 2]
    assert MergedLayer(8, 8, 2, 0.75).merged == 48


def test_destinations_lie_in_their_cells_and_follow_the_seed():
    layer = MergedLayer(6, 9, 3, 0.5)
    drawn = [destinations_of(layer, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    for index, place in enumerate(drawn[0].tolist()):
        assert (place // 9 // 3, place % 9 // 3) == divmod(index, 3)


def test_without_a_compiler_torch_compile_is_refused_and_taken_back(monkeypatch):
    _, system = systems.loaded(PIXART, 6)

    def broken(module, **_):
        def call(*args, **kwargs):
            raise RuntimeError("no working\nC++ compiler")

        module._compiled_call_impl = call

    monkeypatch.setattr(torch.nn.Module, "compile", broken)
    with pytest.raises(
        Unsupported, match=r"^torch-compile: does not compile here \(RuntimeError: no working C\+\+ compiler\)$"
    ):
        TorchCompile().prepare(system, context(PIXART))
    assert system.denoiser._compiled_call_impl is None
    with pytest.raises(PluginError, match="gives no calibration sample"):
        TorchCompile().prepare(system, Context())


def test_compiling_and_hooking_at_every_call_exclude_each_other(monkeypatch):
    _, system = systems.loaded(PIXART, 6)
    with pytest.raises(Unsupported, match="an earlier link of the chain changes the denoiser at every call"):
        TorchCompile().apply(system.observed_by(SamplingObserver()), Artifact())
    monkeypatch.setattr(system.denoiser, "_compiled_call_impl", lambda *_: None)
    with pytest.raises(Unsupported, match="the denoiser is compiled by an earlier link"):
        made(MagCache).prepare(system, context(PIXART))


@pytest.mark.slow
def test_a_compiled_denoiser_draws_the_same_picture():
    systems.loaded.cache_clear()
    _, system = systems.loaded(PIXART, 6)
    compiled = TorchCompile().apply(system, TorchCompile().prepare(system, context(PIXART)))
    np.testing.assert_allclose(first_of(PIXART, compiled)["latent"], reference(PIXART)["latent"], rtol=0, atol=1e-3)
    systems.loaded.cache_clear()


def test_without_the_package_cache_dit_says_what_to_install(monkeypatch):
    monkeypatch.setattr("effbench_baselines.packages.find_spec", lambda name: None)
    _, system = systems.loaded(PIXART, 6)
    with pytest.raises(
        Unsupported, match=r"^cache-dit: the package 'cache_dit' is missing; pip install 'effbench\[cache-dit\]'$"
    ):
        CacheDit().prepare(system, context(PIXART))
    monkeypatch.setattr("effbench_baselines.packages.find_spec", lambda name: SimpleNamespace())
    for params, name, why in (
        ({"warmup_steps": 6}, PIXART, "the first 6 of 6 steps run in full"),
        ({"warmup_steps": 2, "first_blocks": 50}, PIXART, "50 first and 0 last blocks always run"),
        ({"warmup_steps": 2}, UNET, "UNet2DConditionModel is no stack of transformer blocks"),
    ):
        with pytest.raises(Unsupported, match=why):
            made(CacheDit, **params).prepare(systems.loaded(name, 6)[1], context(name))
