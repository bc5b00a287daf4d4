"""Caching peers: exact where they save nothing, cheaper where they do, anew at every call, and gone in between."""

from dataclasses import replace
from types import SimpleNamespace

import diffusion_systems as systems
import numpy as np
import pytest
import tiny_pipelines
import torch
from caching_cases import (
    COGVIDEOX,
    DIT,
    LATTE,
    PIXART,
    UNET,
    applied,
    context,
    first_of,
    is_equal,
    made,
    psnr,
    reference,
    structure,
)
from pydantic import ValidationError

from effbench.api import Unsupported
from effbench.caching.counting import ComputedLayers
from effbench.measure.compute import measure_compute
from effbench.testing import check_method
from effbench.testing.fresh_process import importing_is_light
from effbench_baselines.caching.deep_cache import DeepCache
from effbench_baselines.caching.faster_cache import FasterCache
from effbench_baselines.caching.first_block_cache import FirstBlockCache
from effbench_baselines.caching.mag_cache import MagCache
from effbench_baselines.caching.pyramid_attention_broadcast import PyramidAttentionBroadcast
from effbench_baselines.caching.taylor_seer import TaylorSeer
from effbench_baselines.caching.teacache import TeaCache
from effbench_baselines.caching.tome import ToMe

ALL = (PyramidAttentionBroadcast, FasterCache, FirstBlockCache, TaylorSeer, MagCache, TeaCache, DeepCache, ToMe)
NOTHING_SAVED = {
    PyramidAttentionBroadcast: {"spatial": 1, "cross": 1, "timesteps": (-1, 1001)},
    FasterCache: {"unconditional": 1, "attention": 1},
    FirstBlockCache: {"threshold": 0.0},
    TaylorSeer: {"interval": 1, "first": 1},
    MagCache: {"threshold": 0.0, "retention_ratio": 0.0},
    TeaCache: {"threshold": 0.0},
    DeepCache: {"interval": 1},
    ToMe: {"ratio": 0.0},
}
SAVING = {
    PyramidAttentionBroadcast: {"spatial": 2, "cross": 3, "timesteps": (-1, 1001)},
    FasterCache: {"unconditional": 2, "attention": 2},
    FirstBlockCache: {"threshold": 0.4},
    TaylorSeer: {"interval": 2, "first": 2},
    MagCache: {"threshold": 0.3, "max_skip_steps": 1},
    TeaCache: {"threshold": 0.4, "degree": 2},
    DeepCache: {"interval": 2},
    ToMe: {"ratio": 0.25},
}
NEAREST_DB = {PIXART: 15.0, DIT: 15.0, LATTE: 15.0, UNET: 12.0, COGVIDEOX: 15.0}
"""Least PSNR that a saving of these sizes may have at six steps; the other prompt's picture has 12, 13.5, 12 and 5 dB."""
WORKS_ON = {
    PIXART: (PyramidAttentionBroadcast, FasterCache, FirstBlockCache, TaylorSeer, MagCache, TeaCache, ToMe),
    DIT: (PyramidAttentionBroadcast, FasterCache, FirstBlockCache, TaylorSeer, MagCache, TeaCache, ToMe),
    LATTE: (PyramidAttentionBroadcast, FasterCache, TaylorSeer, TeaCache, ToMe),
    UNET: (PyramidAttentionBroadcast, TaylorSeer, DeepCache, ToMe),
    COGVIDEOX: (PyramidAttentionBroadcast,),
}
QUICK = {
    (COGVIDEOX, FirstBlockCache),
    (PIXART, PyramidAttentionBroadcast),
    (PIXART, FirstBlockCache),
    (PIXART, TeaCache),
    (UNET, DeepCache),
}
PAIRS = [
    pytest.param(name, kind, marks=[] if (name, kind) in QUICK else pytest.mark.proof, id=f"{name}-{kind.name}")
    for name, kinds in WORKS_ON.items()
    for kind in kinds
]


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_where_nothing_is_saved_the_output_is_the_reference_bit_for_bit(name, kind):
    changed = applied(made(kind, **NOTHING_SAVED[kind]), name)
    assert is_equal(first_of(name, changed), reference(name))


@pytest.mark.whole
@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_where_something_is_saved_less_is_computed_every_call_is_anew_and_nothing_stays(name, kind):
    _, plain = systems.loaded(name, 6)
    before = structure(plain.denoiser)
    method = made(kind, **SAVING[kind])
    changed, counter = applied(method, name), ComputedLayers()
    output = first_of(name, changed.observed_by(counter))
    facts = {fact: value.value for fact, value in method.facts(changed).items()}
    if kind is ToMe:
        assert facts["kept_token_share"] == 0.75 and counter.share == 1
    else:
        # The one calibration sample is the one that was run, but with the noise of its own seed, which is this one.
        assert counter.share == pytest.approx(facts["mean_computed_share"]) and 0.2 < counter.share < 0.97
    assert is_equal(first_of(name, changed), output)
    assert NEAREST_DB[name] < psnr(output, reference(name)) < 120
    assert structure(plain.denoiser) == before
    assert is_equal(first_of(name, plain), reference(name))


@pytest.mark.proof
@pytest.mark.parametrize(("name", "kind"), [(PIXART, FasterCache), (PIXART, ToMe), (UNET, DeepCache)])
def test_less_is_computed_by_the_count_of_operations(name, kind):
    """A Fourier transform, a matching and what else a method adds are in the count."""
    _, plain = systems.loaded(name, 6)
    changed = applied(made(kind, **SAVING[kind]), name)
    spent, whole = (measure_compute(lambda s=s: first_of(name, s)).flops for s in (changed, plain))
    assert 0.2 * whole < spent < 0.98 * whole


@pytest.mark.parametrize("kind", [FirstBlockCache, pytest.param(TeaCache, marks=pytest.mark.proof)])
def test_decisions_are_each_sample_s_own(kind):
    task, _ = systems.loaded(PIXART, 6)
    changed = applied(made(kind, **SAVING[kind], calibration_samples=2), PIXART)
    batch = systems.samples(PIXART)
    together = task.run(changed, batch, 0)
    for sample, output in zip(batch, together):
        alone = task.run(changed, [sample], 0)[0]
        np.testing.assert_allclose(output["latent"], alone["latent"], rtol=0, atol=1e-4)
    assert "computed_share_sd" in kind(kind.Params()).facts(changed)


@pytest.mark.proof
@pytest.mark.parametrize("kind", ALL)
def test_each_keeps_the_contract(kind):
    task, _ = systems.loaded(UNET if kind is DeepCache else PIXART, 3)
    params = {**SAVING[kind], "calibration_samples": 2} if kind is not ToMe else SAVING[kind]
    check_method(kind, params=kind.Params(**params), task=task, n_samples=2, fresh_process=False)


@pytest.mark.proof
@pytest.mark.parametrize("kind", ALL)
def test_importing_them_is_light(kind):
    assert list(importing_is_light(kind)) == []


REFUSED = [
    (FasterCache, {}, UNET, "no stack of transformer blocks"),
    (FasterCache, {}, "WanPipeline", "runs the halves as two calls"),
    (
        FasterCache,
        {"unconditional_timesteps": (0, 1)},
        PIXART,
        r"unconditional_timesteps \[0, 1\] holds no timestep of this run",
    ),
    (FirstBlockCache, {}, UNET, "no stack of transformer blocks"),
    (FirstBlockCache, {}, LATTE, "alternates between blocks over frames and over tokens"),
    (MagCache, {}, UNET, "UNet2DConditionModel is no stack of transformer blocks"),
    (MagCache, {}, LATTE, "alternates between blocks over frames and over tokens"),
    (MagCache, {"retention_ratio": 0.99}, PIXART, "retention_ratio 0.99 keeps all 6 evaluations of this run in full"),
    (TaylorSeer, {"first": 6}, PIXART, "the first 6 of 6 steps run in full"),
    (TeaCache, {}, UNET, "PixArt, Latte and DiT, and not that of UNet2DConditionModel"),
    (TeaCache, {}, COGVIDEOX, "PixArt, Latte and DiT, and not that of CogVideoXTransformer3DModel"),
    (TeaCache, {}, "WanPipeline", "PixArt, Latte and DiT, and not that of WanTransformer3DModel"),
    (DeepCache, {}, PIXART, "is no U-Net"),
    (DeepCache, {"branch": 4}, UNET, "has branches 0 to 3, and none of number 4"),
    (PyramidAttentionBroadcast, {"spatial": None, "temporal": 2}, PIXART, "has no attention that is temporal"),
    (
        PyramidAttentionBroadcast,
        {"timesteps": (998, 999)},
        DIT,
        r"timesteps \[998, 999\] holds no timestep of this run",
    ),
    (ToMe, {"cell": 32}, PIXART, "has no cell of 32x32"),
    (ToMe, {}, COGVIDEOX, "CogVideoXTransformer3DModel has no self-attention over a grid of image tokens alone"),
]


@pytest.mark.parametrize(("kind", "params", "name", "why"), REFUSED)
def test_what_cannot_work_is_refused_in_one_sentence(kind, params, name, why):
    _, system = systems.loaded(name, 6)
    with pytest.raises(Unsupported, match=rf"^{kind.name}: .*{why}"):
        made(kind, **params).prepare(system, context(name))


@pytest.mark.parametrize("kind", [FirstBlockCache, MagCache])
def test_blocks_that_cannot_be_compared_are_refused(kind):
    _, one_block = systems.loaded(COGVIDEOX, 6)
    with pytest.raises(Unsupported, match="CogVideoXTransformer3DModel has one block, and none after it that could be"):
        made(kind).check(one_block)
    unknown = torch.nn.Module()
    unknown.blocks = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)])
    with pytest.raises(Unsupported, match="diffusers does not know how Linear is called"):
        made(kind).check(replace(one_block, pipeline=SimpleNamespace(transformer=unknown)))


def test_first_block_cache_skips_blocks_of_joint_attention():
    task, _ = systems.loaded(COGVIDEOX, 6)
    pipeline = tiny_pipelines.make(COGVIDEOX)
    config = {**pipeline.transformer.config, "num_layers": 3}
    pipeline.transformer = tiny_pipelines.livelier(type(pipeline.transformer).from_config(config))
    system = task.system_of(pipeline)
    plain = first_of(COGVIDEOX, system)
    before = structure(system.denoiser)  # CogVideoX's pipeline itself leaves an empty registry of hooks
    nothing = made(FirstBlockCache, threshold=0.0)
    unchanged = nothing.apply(system, nothing.prepare(system, context(COGVIDEOX)))
    assert is_equal(first_of(COGVIDEOX, unchanged), plain)
    method, counter = made(FirstBlockCache, threshold=0.4), ComputedLayers()
    changed = method.apply(system, method.prepare(system, context(COGVIDEOX)))
    output = first_of(COGVIDEOX, changed.observed_by(counter))
    assert 1 / 3 < counter.share < 0.97 and NEAREST_DB[COGVIDEOX] < psnr(output, plain) < 120
    assert is_equal(first_of(COGVIDEOX, changed), output) and structure(system.denoiser) == before


def test_without_layers_there_is_nothing_to_extrapolate():
    _, system = systems.loaded(PIXART, 6)
    bare = replace(system, pipeline=SimpleNamespace(transformer=torch.nn.Linear(2, 2)))
    with pytest.raises(Unsupported, match=r"^taylor-seer: Linear has no attention or feed-forward layers$"):
        made(TaylorSeer).check(bare)


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind is not ToMe])
def test_one_step_leaves_nothing_to_reuse(kind):
    _, system = systems.loaded(PIXART, 1)
    with pytest.raises(Unsupported, match="takes one step"):
        made(kind).prepare(system, context(PIXART, 1))


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (PyramidAttentionBroadcast, {"spatial": 0}),
        (PyramidAttentionBroadcast, {"spatial": None}),
        (PyramidAttentionBroadcast, {"timesteps": (800, 100)}),
        (FasterCache, {"unconditional": 0}),
        (FasterCache, {"attention_timesteps": (5, 5)}),
        (FirstBlockCache, {"threshold": -0.1}),
        (TaylorSeer, {"interval": 0}),
        (TaylorSeer, {"first": 0}),
        (MagCache, {"threshold": -1}),
        (MagCache, {"retention_ratio": 1}),
        (TeaCache, {"threshold": -1}),
        (DeepCache, {"interval": 0}),
        (DeepCache, {"branch": -1}),
        (ToMe, {"ratio": 0.8}),
        (ToMe, {"ratio": -0.1}),
    ],
)
def test_parameters_that_make_no_sense_are_refused(kind, params):
    with pytest.raises(ValidationError):
        kind.Params(**params)
