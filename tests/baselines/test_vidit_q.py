"""ViDiT-Q: the contract, what is real, mixed precision with its groups, and what is refused."""

import json

import diffusion_systems as systems
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from effbench.api import Context, PluginError, Unsupported
from effbench.quantization.bitplan import BitPlan, LayerBits, write_plan
from effbench.quantization.facts import weight_facts
from effbench.tasks.t2i.task import TextToImage
from effbench.testing import check_method
from effbench_baselines.vidit_q import mixed_precision
from effbench_baselines.vidit_q.decoupling import damages, groups_of
from effbench_baselines.vidit_q.method import ViDiTQ


def method(**params):
    return ViDiTQ(ViDiTQ.Params(**params))


def fresh(name):
    """Return (task, system, context), the system one that a test may change."""
    systems.loaded.cache_clear()
    task, system = systems.loaded(name)
    return task, system, Context(calibration=lambda: systems.samples(name), run=task.run)


HARDEST = {"activation_bits": 6, "weight_bits": 4, "timestep_ranges": 2, "rounding": "gptq"}


@pytest.mark.whole
@pytest.mark.parametrize("params", [{}, pytest.param(HARDEST, marks=pytest.mark.proof)])
def test_it_keeps_the_contract(params):
    task = TextToImage(TextToImage.Params(steps=2))
    check_method(ViDiTQ, params=ViDiTQ.Params(**{"calibration_samples": 2, **params}), task=task, rtol=systems.ROUNDED)


def test_what_is_real():
    assert method().execution() == "real" and method().kernels == ("linear_w8a8/*",)
    assert method(weight_bits=4).kernels == ("linear_w4a8/*",)
    assert method(weight_bits=4, activation_bits=16).kernels == ("linear_w4a16/*",)
    assert method(mixed={}).execution() == "real" and method(mixed={}).kernels == ("linear_w4a8/*", "linear_w8a8/*")
    assert method(activations="static").execution() == "real"
    for simulated in (
        {"weight_bits": 6, "activation_bits": 6},
        {"activation_bits": 4},
        {"simulate": True},
        {"weight_group": 64},
    ):
        assert method(**simulated).execution() == "simulated" and method(**simulated).kernels == ()
    assert method(mixed={"choices": [2, 4, 8]}).execution() == "simulated"


def test_a_processor_takes_float32_and_says_how_many_bits_it_multiplies(monkeypatch):
    name = "DiTPipeline"
    _, system, context = fresh(name)
    artifact = method(calibration_samples=1).prepare(system, context)
    monkeypatch.setenv("EFFBENCH_ISA", "portable")
    assert method().facts(method().apply(system, artifact))["activation_bits"].value == 8
    monkeypatch.setattr("effbench.kernels.isa.activation_bits", lambda *_: 7)
    assert method().facts(system)["activation_bits"].value == 7
    assert method(simulate=True).facts(system)["activation_bits"].value == 8
    assert method(weight_bits=4, activation_bits=16).facts(system)["activation_bits"].value == 16
    other = fresh(name)[1]
    other.denoiser.half()
    with pytest.raises(Unsupported, match=r"take float32, not torch\.float16; set simulate: true"):
        method().apply(other, artifact)
    systems.loaded.cache_clear()


def test_a_plan_of_several_ranges_holds_for_its_steps():
    assert method().tied_to == ("model", "revision")
    assert method(timestep_ranges=2).tied_to == ("model", "revision", "scheduler", "steps")
    assert ViDiTQ.tied_to == ("model", "revision")


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"weight_bits": 7}, "the nearest is"),
        ({"mixed": {"choices": [4, 7]}}, "the nearest is"),
        ({"weight_symmetric": False}, "8-bit weights are symmetric"),
        ({"weight_bits": 4, "weight_symmetric": False, "mixed": {}}, "8-bit weights are symmetric"),
        ({"smoothing_alpha": 1.5}, "less than or equal to 1"),
        ({"timestep_ranges": 0}, "greater than or equal to 1"),
        ({"mixed": {"choices": []}}, "at least 1"),
    ],
)
def test_bad_parameters_are_refused_before_anything_runs(params, why):
    with pytest.raises(ValidationError, match=why):
        method(**params)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PixArtSigmaPipeline", {"content", "quality"}),
        ("DiTPipeline", {"quality"}),
        ("LattePipeline", {"content", "quality", "temporal"}),
        ("CogVideoXPipeline", {"quality"}),
    ],
)
def test_layers_are_grouped_by_what_they_do(name, expected):
    _, system = systems.loaded(name)
    groups = groups_of(system)
    assert set(groups) == {layer for layer, _ in system.linear_layers()} and set(groups.values()) == expected
    for layer, group in groups.items():
        assert (group == "content") == (".attn2." in layer and not layer.startswith("temporal"))
        assert (group == "temporal") == (layer.startswith("temporal") and ".attn" in layer)


def test_damages_by_hand():
    theirs = {"image": np.stack([np.tile([0.0, 0.5], (4, 2))] * 3)}
    ours = {"image": theirs["image"] + 0.1}
    found = damages([ours, theirs], [theirs, theirs])
    assert found["squared_error"] == pytest.approx(0.01 / 2)
    assert found["quality"] == found["temporal"] == pytest.approx(0.01 / 0.125 / 2)
    mean, c1 = 0.25, 0.01**2
    ssim = (2 * mean * (mean + 0.1) + c1) / (mean**2 + (mean + 0.1) ** 2 + c1)
    assert found["content"] == pytest.approx((1 - ssim) / 2)
    video = {"video": np.stack([theirs["image"] * f for f in (1.0, 0.5)])}
    brighter = damages([{"video": video["video"] + 0.1}], [video])
    assert brighter["temporal"] == pytest.approx(0.0) and brighter["quality"] > 0  # no motion is lost
    assert set(damages([theirs], [theirs]).values()) == {0.0}


@pytest.mark.proof
def test_mixed_precision_meets_its_budget_and_leaves_the_model_alone(tmp_path, monkeypatch):
    name = "DiTPipeline"
    _, system, context = fresh(name)
    before = {key: value.clone() for key, value in system.denoiser.state_dict().items()}
    monkeypatch.setenv("EFFBENCH_WORK", str(tmp_path))
    mixed = method(mixed={"mean_bits": 5.0, "samples": 1}, calibration_samples=1)
    artifact = mixed.prepare(system, context)
    assert all(torch.equal(value, before[key]) for key, value in system.denoiser.state_dict().items())
    told = artifact.config["mixed"]
    assert 4.5 < told["mean_bits"] <= 5.0 and told["decoupled"] is True
    bits = {layer: states[0]["bits"] for layer, states in artifact.config["layers"].items()}
    assert set(bits.values()) == {4, 8}
    (saved,) = tmp_path.glob("sensitivity.*.json")
    assert set(json.loads(saved.read_text())) == set(bits)
    changed = mixed.apply(system, artifact)
    assert mixed.facts(changed)["mean_weight_bits"].value == pytest.approx(told["mean_bits"], abs=1e-9)
    assert weight_facts(changed.denoiser)["float_layers"].value == len(artifact.config["kept"])

    def not_again(*_):
        raise AssertionError("a layer that was measured is measured again")

    monkeypatch.setattr(mixed_precision, "_damage_of", not_again)
    again = mixed.prepare(fresh(name)[1], context)
    assert again.config["mixed"] == told


def invented(system):
    """Return damages in which each metric prefers other layers."""
    names = [layer for layer, _ in system.linear_layers()]
    found = {}
    for place, layer in enumerate(names):
        by_metric = {
            "squared_error": 1.0 + place,
            "content": 100.0 - place,
            "quality": 100.0 - place,
            "temporal": 100.0 - place,
        }
        found[layer] = {4: by_metric, 8: dict.fromkeys(by_metric, 0.0)}
    return found


def test_decoupling_moves_bits_within_groups_and_never_between_them():
    _, system = systems.loaded("LattePipeline")
    damage, sizes, groups = invented(system), mixed_precision.sizes_of(system), groups_of(system)
    shares = {}
    for decoupled in (False, True):
        bits, told = mixed_precision.allocated(system, damage, 6.0, decoupled)
        assert told["mean_bits"] <= 6.0
        shares[decoupled] = {
            group: sum(sizes[n] * bits[n] for n in bits if groups[n] == group) for group in set(groups.values())
        }
        shares[decoupled]["bits"] = bits
    assert shares[True].pop("bits") != shares[False].pop("bits")
    for group, spent in shares[True].items():
        assert spent <= shares[False][group]


def test_a_budget_below_the_minimum_says_the_minimum():
    _, system = systems.loaded("DiTPipeline")
    with pytest.raises(PluginError, match="below the minimum of these layers, 4"):
        mixed_precision.allocated(system, invented(system), 3.5, decoupled=True)


def test_a_bit_plan_takes_the_place_of_the_search(tmp_path):
    name = "DiTPipeline"
    _, system, context = fresh(name)
    layers = {
        layer: LayerBits(weight=8 if ".ff." in layer else 4, activation=8, parameters=size)
        for layer, size in mixed_precision.sizes_of(system).items()
    }
    settings = {key: system.settings()[key] for key in ("model", "revision")}
    file = tmp_path / "plan.yaml"
    write_plan(file, BitPlan.of("vidit-q", settings, layers))
    artifact = method(mixed={"plan": str(file)}, calibration_samples=1).prepare(system, context)
    assert {n: s[0]["bits"] for n, s in artifact.config["layers"].items()} == {n: b.weight for n, b in layers.items()}
    with pytest.raises(PluginError, match="possible are 2, 4"):
        method(mixed={"plan": str(file), "choices": [2, 4]}, calibration_samples=1).prepare(system, context)
    write_plan(file, BitPlan.of("vidit-q", {**settings, "revision": "another"}, layers))
    with pytest.raises(PluginError, match="holds for revision 'another'"):
        method(mixed={"plan": str(file)}, calibration_samples=1).prepare(system, context)


def test_claims_name_what_they_hold_for():
    assert {claim.metric for claim in ViDiTQ.claims} == {"latency", "memory", "PSNR", "LPIPS"}
    assert all(claim.not_comparable or claim.number for claim in ViDiTQ.claims)
    for claim in ViDiTQ.claims:
        assert set(claim.holds_for) <= {*ViDiTQ.Params.model_fields, "system", "steps"}
