"""MixDQ: the contract, plans that are searched and given, split and static ranges, and what its released code does wrong."""

import json
from dataclasses import replace

import diffusion_systems as systems
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from toy_denoiser import toy

from effbench.api import PluginError, Unsupported
from effbench.quantization.bitplan import BitPlan, LayerBits, Mean, write_plan
from effbench.quantization.layers import QuantizedConv2d, QuantizedLinear
from effbench.quantization.ranges import MOMENTUM, static_range
from effbench.quantization.sensitivity import Trial
from effbench.tasks.t2i.task import TextToImage
from effbench.testing import check_method
from effbench_baselines.mixdq import planning, search
from effbench_baselines.mixdq.method import MixDQ
from effbench_baselines.mixdq.search import Searcher, most_sensitive, rising
from effbench_baselines.mixdq.split import SplitConv2d, boundaries, split_convolutions
from effbench_baselines.mixdq.structure import quantizable, restored


@pytest.fixture(autouse=True)
def changed_systems_are_dropped():
    """Leave no system that a test here changed to the tests that share loaded ones."""
    yield
    systems.loaded.cache_clear()


def method(**params):
    return MixDQ(MixDQ.Params(**params))


def prepared(system, ctx, **params):
    """Return the artifact of a quick search."""
    return method(**{"calibration_samples": 4, "search_samples": 2, **params}).prepare(system, ctx)


def pictures(system, ctx, samples):
    with torch.no_grad():
        return np.stack([output["image"] for output in ctx.run(system, samples, 0)])


def psnr(a, b):
    return -10 * np.log10(np.square(a.astype(np.float64) - b).mean())


@pytest.mark.whole
@pytest.mark.parametrize(
    "params",
    [{"protect": 0.0}, pytest.param({"protect": 0.0, "weight_bits": 4, "uniform": True}, marks=pytest.mark.proof)],
)
def test_it_keeps_the_contract(params):
    task = TextToImage(TextToImage.Params(system="zoo:emoji-turbo", prompts="emoji", steps=1, guidance=1.0))
    check_method(
        MixDQ, params=MixDQ.Params(calibration_samples=4, **params), task=task, rtol=systems.ROUNDED, n_samples=2
    )


def test_what_is_real():
    assert method().execution() == "real" and method().kernels == ("linear_w8a8/*",)
    for simulated in ({"weight_bits": 4}, {"activation_bits": 6}, {"simulate": True}, {"activation_bits": 16}):
        assert method(**simulated).execution() == "simulated" and method(**simulated).kernels == ()
    assert method(plan="no/such/plan.yaml").kernels == ()


@pytest.mark.parametrize(
    "params, said",
    [
        (
            {"weight_bits": 9},
            "weight_bits is a mean of at most 8, or for all layers one of 2, 3, 4, 5, 6, 8, 16; got 9",
        ),
        ({"activation_bits": 4.5, "uniform": True}, "activation_bits is a mean of at most 8"),
        ({"weight_bits": 1}, "greater than or equal to 2"),
        ({"protect": 1.0}, "less than 1"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(params, said):
    with pytest.raises(ValidationError, match=said):
        MixDQ.Params(**params)


@pytest.mark.proof
def test_it_works_on_every_family_and_start_tokens_are_refused_where_there_are_none():
    for name, note in (
        ("StableDiffusionXLPipeline", "on"),
        ("PixArtSigmaPipeline", "off: the text's first token changes with the prompt"),
        ("DiTPipeline", "off: the denoiser has no cross-attention"),
    ):
        task, system = systems.loaded(name, steps=1)
        ctx = replace(toy()[1], calibration=lambda name=name: [*systems.samples(name), *more(name)], run=task.run)
        before = dict(system.denoiser.named_modules())
        artifact = prepared(system, ctx, protect=0.0)
        assert artifact.config["start_token"].startswith(note)
        assert dict(system.denoiser.named_modules()) == before  # prepare leaves the system as it was
        if note == "on":
            assert artifact.config["split"] == list(boundaries(system.denoiser))
            assert tuple(artifact.tensors["start_tokens"].shape) == (1, 160)
        else:
            assert artifact.config["split"] == [] and "start_tokens" not in artifact.tensors
            with pytest.raises(Unsupported, match="bos: the "):
                prepared(system, ctx, protect=0.0, bos=True)


def more(name):
    """Return a third sample: two prompts are too few to tell a start token."""
    data = {"label": 5} if name == "DiTPipeline" else {"prompt": "a handwritten 5"}
    if name == "StableDiffusionXLPipeline":
        data = {"prompt": "a star on a green ground"}
    return [replace(systems.samples(name)[0], id="more", data=data)]


def test_skip_connections_are_split_where_the_network_joins_them(monkeypatch):
    task, system = systems.loaded("StableDiffusionXLPipeline", steps=1, guidance=1.0)
    joined, join = [], torch.cat

    def seen(tensors, dim=0, **more):
        if dim == 1 and tensors[0].ndim == 4:
            joined.append(tensors[0].shape[1])
        return join(tensors, dim=dim, **more)

    samples = systems.samples("StableDiffusionXLPipeline")
    monkeypatch.setattr(torch, "cat", seen)
    plain = task.run(system, samples, 0)
    monkeypatch.undo()
    found = boundaries(system.denoiser)
    assert [hidden for name, hidden in found.items() if name.endswith("conv1")] == joined == [136, 136, 136, 64]
    with restored(system.denoiser):
        names = split_convolutions(system)
        assert len(names) == 8 and {f"{name}.{part}" for name in names for part in ("hidden", "skip")} <= set(
            quantizable(system)
        )
        split = task.run(system, samples, 0)
    assert all(abs(a["latent"] - b["latent"]).max() < 1e-4 for a, b in zip(plain, split))
    assert not any(isinstance(module, SplitConv2d) for module in system.denoiser.modules())


def test_two_ranges_save_the_narrower_half():
    torch.manual_seed(0)
    layer, x = nn.Conv2d(8, 4, 3, padding=1).requires_grad_(False), torch.randn(2, 8, 6, 6)
    x[:, 4:] *= 100
    with torch.no_grad():
        layer.weight[:, 4:] /= 100
        split = SplitConv2d(layer, 4)
        expected = layer(x)
        torch.testing.assert_close(split(x), expected, atol=1e-5, rtol=0)
        from effbench.quantization.fake import fake_tensor

        one = layer(fake_tensor(x, static_range(float(x.min()), float(x.max()))))
        parts = [x[:, :4], x[:, 4:]]
        two = split(torch.cat([fake_tensor(p, static_range(float(p.min()), float(p.max()))) for p in parts], 1))
    assert (one - expected).std() > 10 * (two - expected).std()


def test_a_range_is_updated_once_a_batch():
    """The released code updates once for each bit-width, so that three of them make its momentum 0.95 cubed."""
    system, ctx, samples = toy()
    seen = []
    handle = system.denoiser.block["conv"].register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    for start in range(0, len(samples), 4):
        pictures(system, ctx, samples[start : start + 4])
    handle.remove()
    low, high = (float(end) for end in torch.aminmax(seen[0]))
    for x in seen[1:]:
        low = MOMENTUM * low + (1 - MOMENTUM) * float(x.min())
        high = MOMENTUM * high + (1 - MOMENTUM) * float(x.max())
    assert MOMENTUM == 0.95 and len(seen) == 2 * system.steps
    found = prepared(system, ctx, calibration_samples=5, weight_bits=5, protect=0.0).config["ranges"]["block.conv"]
    expected = static_range(low, high, 8)
    assert found["scale"] == pytest.approx(expected.scale, rel=1e-6) and found["zero"] == expected.zero


def test_all_bit_widths_of_a_layer_have_one_range():
    system, ctx, _ = toy()
    scales = [
        prepared(system, ctx, activation_bits=bits, uniform=True, protect=0.0).config["ranges"]["block.ff"]["scale"]
        for bits in (8, 4)
    ]
    assert scales[1] == pytest.approx(scales[0] * 255 / 15)


def test_a_channel_of_zeros_changes_no_other_channel():
    """The released code fills the scales of all channels once one is below a bound."""
    (system, ctx, _), (zeroed, _, _) = toy(), toy()
    with torch.no_grad():
        for layer in (zeroed.denoiser.block["conv"], zeroed.denoiser.block["ff"]):
            layer.weight[3] = 0
    plain, found = (prepared(s, ctx, protect=0.0).tensors for s in (system, zeroed))
    for key in plain:
        others = [i for i in range(8) if i != 3]
        assert torch.equal(torch.as_tensor(found[key])[others], torch.as_tensor(plain[key])[others])
        if key.endswith("/codes"):
            assert not torch.as_tensor(found[key])[3].any()


def test_nan_in_the_calibration_is_refused():
    system, ctx, _ = toy()
    with torch.no_grad():
        system.denoiser.block["conv"].bias[0] = float("nan")
    with pytest.raises(PluginError, match=r"block\.ff was given NaN"):
        prepared(system, ctx)


def test_a_search_keeps_its_budget_and_says_what_it_chose_from():
    system, ctx, samples = toy()
    artifact = prepared(system, ctx, weight_bits=5, activation_bits=6, protect=0.0)
    plan = BitPlan.model_validate(artifact.config["bit_plan"])
    assert plan.mean_bits.weight <= 5 and plan.mean_bits.activation <= 6
    assert plan.budget == Mean(weight=5, activation=6)
    assert plan.settings == {name: system.settings()[name] for name in MixDQ.tied_to}
    assert set(plan.layers) == {"block.conv", "block.ff"}
    seen = artifact.config["candidates"]
    for part in ("weight", "activation"):
        errors = [candidate["squared_error"] for candidate in seen[part]]
        assert len(errors) > 1 and all(error > 0 for error in errors)
        assert any(
            candidate["origin"] == "uniform" for candidate in seen[part]
        )  # 5 and 6 are bits that a layer may have
        (best,) = [c for c in seen[part] if c["squared_error"] == min(errors)][:1]
        assert best["mean_bits"] == pytest.approx(getattr(plan.mean_bits, part), abs=1e-5)
    changed = MixDQ(MixDQ.Params(weight_bits=5, activation_bits=6)).apply(toy()[0], artifact)
    assert pictures(changed, ctx, samples).shape == (5, 3, 16, 16)
    json.dumps(artifact.config)


def test_fewer_bits_cost_quality():
    """At one step: over several a running range lags behind what the steps bring, and clips alike at any bits."""

    def one_step():
        system, ctx, samples = toy()
        return replace(system, steps=1), ctx, samples

    found = []
    for bits in (8, 6, 4):
        system, ctx, samples = one_step()
        artifact = prepared(system, ctx, weight_bits=bits, activation_bits=bits, uniform=True, protect=0.0)
        m = method(weight_bits=bits, activation_bits=bits, uniform=True, simulate=True)
        found.append(psnr(pictures(m.apply(one_step()[0], artifact), ctx, samples), pictures(*one_step())))
    assert found[0] > found[1] + 5 and found[1] > found[2] + 5


@pytest.mark.usefixtures("eight_bit_codes")
def test_real_and_simulated_execution_agree():
    system, ctx, samples = toy()
    artifact = prepared(system, ctx, protect=0.0)
    real, simulated = (pictures(method(simulate=s).apply(toy()[0], artifact), ctx, samples) for s in (False, True))
    assert psnr(real, simulated) > 60
    assert psnr(real, pictures(*toy())) < psnr(real, simulated)


def test_layers_outside_of_the_globs_stay_in_float():
    system, ctx, _ = toy()
    artifact = prepared(system, ctx, protect=0.0, layers=["*.ff"])
    plan = BitPlan.model_validate(artifact.config["bit_plan"])
    for name, bits in plan.layers.items():
        assert (bits.weight, bits.activation) == ((8, 8) if name.endswith(".ff") else (16, 16))
    changed = method(layers=["*.ff"]).apply(toy()[0], artifact)
    assert {n for n, m in changed.denoiser.named_modules() if isinstance(m, QuantizedLinear)} == {"block.ff"}
    with pytest.raises(PluginError, match=r"layers: 'block\.fff' is the name of no layer .*'block\.ff'"):
        prepared(system, ctx, protect=0.0, layers=["block.fff"])
    with pytest.raises(ValidationError, match="layers: some layers share no budget with the others"):
        MixDQ.Params(layers=["*"], weight_bits=4)


def test_the_most_sensitive_inputs_stay_in_float():
    system, ctx, _ = toy()
    assert prepared(system, ctx, protect=0.0).config["protected"] == []
    artifact = prepared(system, ctx, protect=0.01)  # at least one of each group, which are of one layer each
    assert artifact.config["protected"] == ["block.conv", "block.ff"]
    plan = BitPlan.model_validate(artifact.config["bit_plan"])
    assert set(plan.bits("activation").values()) == set(plan.bits("weight").values()) == {16}
    mixed = BitPlan.model_validate(prepared(system, ctx, weight_bits=4, protect=0.01).config["bit_plan"])
    assert set(mixed.bits("activation").values()) == {16} and max(mixed.bits("weight").values()) <= 8
    scores = {Trial("activation", f"b.{i}.conv", 8, "sqnr"): 50.0 - i for i in range(101)}
    assert most_sensitive(scores, 0.01, True) == ["b.100.conv", "b.99.conv"]
    scores |= {Trial("activation", f"b.{i}.ff", 8, "ssim"): 0.9 for i in range(3)}
    assert most_sensitive(scores, 0.01, True) == ["b.0.ff", "b.100.conv", "b.99.conv"]


def test_weights_alone_leave_the_inputs_as_they_are():
    system, ctx, samples = toy()
    artifact = prepared(system, ctx, weight_bits=8, activation_bits=16)
    m = method(weight_bits=8, activation_bits=16)
    changed = m.apply(toy()[0], artifact)
    layers = [x for x in changed.denoiser.modules() if isinstance(x, QuantizedLinear | QuantizedConv2d)]
    assert len(layers) == 2 and not any(layer.activation.is_on for layer in layers)
    facts = m.facts(changed)
    assert facts["mean_activation_bits"].value == 16 and facts["mean_weight_bits"].value == 8
    assert facts["float_inputs"].value == 2
    assert psnr(pictures(changed, ctx, samples), pictures(*toy())) > 40


@pytest.fixture
def plan_file(tmp_path):
    system, _, _ = toy()
    settings = {name: system.settings()[name] for name in MixDQ.tied_to}
    layers = {
        "block.conv": LayerBits(weight=4, activation=8, parameters=576),
        "block.ff": LayerBits(weight=2, activation=16, parameters=64),
    }
    path = tmp_path / "plan.yaml"
    write_plan(path, BitPlan.of("mixdq", settings, layers))
    return path


def test_a_plan_takes_the_place_of_the_search(plan_file, monkeypatch):
    monkeypatch.setattr(planning, "_searched", None)
    system, ctx, samples = toy()
    m = method(plan=str(plan_file))
    artifact = m.prepare(system, ctx)
    assert m.execution() == "simulated" and artifact.config["protected"] == ["block.ff"]
    changed = m.apply(toy()[0], artifact)
    assert m.facts(changed)["mean_weight_bits"].value == pytest.approx((4 * 576 + 2 * 64) / 640)
    assert pictures(changed, ctx, samples).shape == (5, 3, 16, 16)


def test_a_plan_for_another_system_or_one_that_changed_is_refused(plan_file):
    system, ctx, _ = toy()
    m = method(plan=str(plan_file))
    with pytest.raises(PluginError, match="holds for steps 3; this system has 7"):
        m.prepare(replace(system, steps=7), ctx)
    artifact = m.prepare(system, ctx)
    other = toy()[0]
    other.denoiser.block["more"] = nn.Linear(2, 2)
    with pytest.raises(PluginError, match=r"says nothing of layer 'block\.more'"):
        m.prepare(other, ctx)
    text = plan_file.read_text()
    plan_file.write_text(text.replace("weight: 4", "weight: 8"))
    with pytest.raises(PluginError, match="edited after it was made"):
        m.apply(toy()[0], artifact)
    layers = {
        name: LayerBits(weight=8, activation=8, parameters=n) for name, n in (("block.conv", 576), ("block.ff", 64))
    }
    settings = artifact.config["bit_plan"]["settings"]
    write_plan(plan_file, BitPlan.of("mixdq", settings, layers))
    assert m.execution() == "real"
    with pytest.raises(PluginError, match="changed after this cell was prepared"):
        m.apply(toy()[0], artifact)
    plan_file.unlink()
    with pytest.raises(PluginError, match="cannot read the file"):
        m.execution()


def searcher(**more):
    system, ctx, samples = toy()
    sizes = {"block.conv": 576, "block.ff": 64}
    return Searcher(system, ctx, samples[:2], sizes, {}, **more)


def test_without_decoupling_all_layers_are_ranked_by_sqnr_in_one_programme():
    scores = searcher(decoupled=False).sensitivities("weight", ["block.conv", "block.ff"])
    assert {trial.measure for trial in scores} == {"sqnr"}
    found = dict(searcher(decoupled=False).candidates(scores, 7.0))
    assert set(found) == {"one programme"}
    decoupled = searcher().sensitivities("weight", ["block.conv", "block.ff"])
    assert {(trial.layer, trial.measure) for trial in decoupled} == {("block.conv", "sqnr"), ("block.ff", "ssim")}
    assert all(origin.startswith("ratio") for origin, _ in searcher().candidates(decoupled, 7.0))


def test_all_bits_that_codes_have_may_be_chosen_from():
    plain = searcher(choices="all").sensitivities("weight", ["block.conv"])
    assert [trial.bits for trial in plain] == [2, 3, 4, 5, 6, 8]
    assert list(plain.values()) == sorted(plain.values())
    system, ctx, _ = toy()
    found = prepared(system, ctx, weight_bits=5.5, choices="all", protect=0.0, objective="noise").config["bit_plan"]
    assert 5 < found["mean_bits"]["weight"] <= 5.5  # {2, 4, 8} cannot come near with two layers


def test_noise_is_summed_as_energy_and_similarity_as_it_is():
    ours = searcher(objective="noise")
    assert ours._gain(Trial("weight", "b.conv", 8, "sqnr"), 20.0) == pytest.approx(-0.01)
    assert ours._gain(Trial("weight", "b.ff", 8, "ssim"), 0.9) == 0.9
    assert searcher(objective="decibels")._gain(Trial("weight", "b.conv", 8, "sqnr"), 20.0) == 20.0


def test_a_budget_below_the_minimum_says_the_minimum():
    system, ctx, _ = toy()
    with pytest.raises(PluginError, match=r"weights: a budget of 3 mean bits cannot be split.*the minimum.*is 3\.8"):
        prepared(system, ctx, weight_bits=3, protect=0.0, choices="published")


def test_the_candidate_with_the_nearest_pictures_is_picked(monkeypatch):
    errors = iter([0.3, 0.1, 0.2])
    drawn = [np.zeros((2, 3, 4, 4))] + [np.full((2, 3, 4, 4), next(errors) ** 0.5) for _ in range(3)]
    monkeypatch.setattr(search, "pictures_of", lambda *_: drawn.pop(0))
    given = [(f"ratio {ratio}", {"block.conv": 4, "block.ff": 8}) for ratio in (1.0, 0.5, 1.3)]
    best, seen = searcher().pick("weight", given)
    assert best.origin == "ratio 0.5" and [round(picked.error, 6) for picked in seen] == [0.3, 0.1, 0.2]
    assert searcher(select=False).pick("weight", given)[0].origin == "ratio 1.0"


def test_a_score_that_falls_with_more_bits_is_noise():
    assert rising({8: 0.99, 2: 0.9, 4: 0.995}) == {2: 0.9, 4: 0.995, 8: 0.995}
