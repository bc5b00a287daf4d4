"""Recipes on whole denoisers: the plan, the way through a file, and that what is applied is what was prepared."""

import dataclasses

import diffusion_systems as systems
import pytest
import torch

from effbench.api import Artifact, Context, PluginError, Unsupported
from effbench.artifacts import Prepared, read_artifact, write_artifact
from effbench.inside import root_of
from effbench.quantization.applying import apply
from effbench.quantization.facts import weight_facts
from effbench.quantization.layers import QuantizedConv2d, QuantizedLinear
from effbench.quantization.preparing import prepare
from effbench.quantization.recipe import Recipe, Smoothing
from effbench.quantization.schemes import ActivationScheme, WeightScheme

FULL = Recipe(smoothing=Smoothing(0.3), rotation_seed=1)
UNET = "StableDiffusionXLPipeline"


def fresh(name):
    """Return (task, system) that a test may change."""
    systems.loaded.cache_clear()
    return systems.loaded(name)


def context(task, name):
    return Context(calibration=lambda: systems.samples(name), run=task.run)


def stored(artifact, folder):
    write_artifact(folder, [Prepared(artifact)])
    return read_artifact(folder, root_of(folder))[0][0].artifact


SLOW = ("LattePipeline", "StableDiffusionXLPipeline", "WanPipeline")
"""Families whose embedded model takes ten seconds and more to calibrate; their layers are those of the others."""


@pytest.mark.whole
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.proof) if n in SLOW else n for n in systems.NAMES])
def test_every_family_is_quantized_and_says_what_was_left(name, tmp_path):
    task, system = fresh(name)
    recipe = dataclasses.replace(FULL, convolutions=False)
    linears = [layer for layer, _ in system.linear_layers()]
    before = task.run(system, systems.samples(name), 0)
    artifact = stored(prepare(system, context(task, name), recipe), tmp_path)
    plan = artifact.config
    assert list(plan["layers"]) == linears or sorted(plan["layers"]) == sorted(linears)
    assert plan["kept"] and all(system.is_kept_in_float(layer) for layer in plan["kept"])
    assert plan["unsupported"] == [layer for layer, _ in system.convolutions()]
    changed = apply(system, artifact, "simulated")
    kinds = {layer: type(changed.denoiser.get_submodule(layer)) for layer in linears}
    assert set(kinds.values()) == {QuantizedLinear}
    assert all(not isinstance(changed.denoiser.get_submodule(layer), QuantizedLinear) for layer in plan["kept"])
    after = task.run(changed, systems.samples(name), 0)
    for ours, theirs in zip(after, before):
        error = abs(ours["latent"] - theirs["latent"]).max() / abs(theirs["latent"]).max()
        assert 0 < error < 0.2, error
    facts = weight_facts(changed.denoiser)
    assert facts["mean_weight_bits"].value == 8 and 0 < facts["quantized_weight_share"].value <= 1
    assert facts["float_layers"].value == len(plan["kept"]) + len(plan["unsupported"])


@pytest.mark.usefixtures("eight_bit_codes")
def test_real_and_simulated_layers_agree_on_what_they_are_given_in_a_real_model(tmp_path):
    """Over a whole model they do not: one code that a last bit decides moves those of every layer that follows."""
    name = "PixArtSigmaPipeline"
    task, system = fresh(name)
    artifact = stored(prepare(system, context(task, name), FULL), tmp_path)
    simulated, real = apply(system, artifact, "simulated"), apply(fresh(name)[1], artifact, "real", fused=False)
    errors = {}

    def compare(layer):
        other = real.denoiser.get_submodule(layer)

        def note(_, args, out):
            errors[layer] = max(errors.get(layer, 0.0), ((other(args[0]) - out).norm() / out.norm()).item())

        return note

    for layer in artifact.config["layers"]:
        simulated.denoiser.get_submodule(layer).register_forward_hook(compare(layer))
    task.run(simulated, systems.samples(name), 0)
    assert set(errors) == set(artifact.config["layers"]) and max(errors.values()) < 1e-4


@pytest.mark.usefixtures("eight_bit_codes")
def test_real_and_simulated_systems_agree_where_no_code_is_on_the_edge(tmp_path):
    name = "CogVideoXPipeline"
    task, system = fresh(name)
    artifact = stored(prepare(system, context(task, name), FULL), tmp_path)
    simulated = task.run(apply(system, artifact, "simulated"), systems.samples(name), 0)
    real = task.run(apply(fresh(name)[1], artifact, "real"), systems.samples(name), 0)
    for ours, theirs in zip(real, simulated):
        assert abs(ours["latent"] - theirs["latent"]).max() < 1e-3 * abs(theirs["latent"]).max()


def test_convolutions_are_quantized_where_a_recipe_asks(tmp_path):
    task, system = fresh(UNET)
    recipe = Recipe(activation=ActivationScheme("static-tensor"), convolutions=True)
    artifact = stored(prepare(system, context(task, UNET), recipe), tmp_path)
    assert artifact.config["unsupported"] == []
    assert sorted(artifact.config["convolutions"]) == sorted(layer for layer, _ in system.convolutions())
    before = task.run(system, systems.samples(UNET), 0)
    apply(system, artifact, "real")
    found = [m for m in system.denoiser.modules() if isinstance(m, QuantizedConv2d)]
    assert len(found) == len(artifact.config["convolutions"]) and {m.execution for m in found} == {"real"}
    after = task.run(system, systems.samples(UNET), 0)
    error = abs(after[0]["latent"] - before[0]["latent"]).max() / abs(before[0]["latent"]).max()
    assert 0 < error < 0.3


def test_layers_may_differ_in_bits_and_the_mean_is_by_parameters(tmp_path):
    name = "DiTPipeline"
    task, system = fresh(name)
    sizes = {layer: module.weight.numel() for layer, module in system.linear_layers()}
    bits = {layer: 8 if ".ff." in layer else 4 for layer in sizes}
    artifact = stored(prepare(system, context(task, name), FULL, bits), tmp_path)
    apply(system, artifact, "real", fused=False)
    expected = sum(sizes[layer] * bits[layer] for layer in sizes) / sum(sizes.values())
    facts = weight_facts(system.denoiser)
    assert facts["mean_weight_bits"].value == pytest.approx(expected, abs=1e-12) and 4 < expected < 8
    modules = {layer: system.denoiser.get_submodule(layer) for layer in sizes}
    by_hand = sum(sizes[layer] * bits[layer] / 8 + 5 * modules[layer].out_features for layer in sizes)
    assert facts["quantized_weight_mb"].value == pytest.approx(by_hand / 1e6)


def test_ranges_of_timesteps_have_states_of_their_own(tmp_path):
    name = "DiTPipeline"
    task, system = fresh(name)
    artifact = stored(prepare(system, context(task, name), dataclasses.replace(FULL, ranges=2)), tmp_path)
    changed = apply(system, artifact, "simulated")
    layer = next(m for m in changed.denoiser.modules() if isinstance(m, QuantizedLinear))
    first, second = (inputs.transform.multiplier for inputs in layer.inputs)
    assert not torch.equal(first, second) and torch.equal(first.sign(), second.sign())
    assert len(changed.observers) == len(system.observers) + 1
    assert task.run(changed, systems.samples(name), 0)[0]["latent"].shape


def test_weights_are_restored_and_signs_are_those_that_were_drawn(tmp_path):
    name = "DiTPipeline"
    task, system = fresh(name)
    artifact = prepare(system, context(task, name), dataclasses.replace(FULL, weight=WeightScheme(4, rounding="gptq")))
    again = stored(artifact, tmp_path)
    apply(system, again, "simulated")
    for layer, plan in again.config["layers"].items():
        inputs = system.denoiser.get_submodule(layer).inputs[0]
        assert torch.equal(inputs.transform.multiplier, artifact.tensors[f"{layer}/0/multiplier"])
        assert plan[0]["rotated"] and plan[0]["bits"] == 4


def test_an_artifact_for_another_model_is_refused(tmp_path):
    name = "DiTPipeline"
    task, system = fresh(name)
    artifact = prepare(system, context(task, name), FULL)
    layers = dict(artifact.config["layers"])
    renamed = {f"blocks.{layer}": plan for layer, plan in layers.items()}
    with pytest.raises(PluginError, match="the plan has layers that the denoiser has not"):
        apply(fresh(name)[1], Artifact(artifact.tensors, {**artifact.config, "layers": renamed}), "simulated")
    first = next(iter(layers))
    fewer = {key: value for key, value in artifact.tensors.items() if key != f"{first}/0/codes"}
    with pytest.raises(PluginError, match=f"holds no {first}/0/codes"):
        apply(fresh(name)[1], Artifact(fewer, artifact.config), "simulated")


def test_a_layer_that_no_kernel_takes_is_unsupported_by_name():
    name = "DiTPipeline"
    task, system = fresh(name)
    recipe = Recipe(weight=WeightScheme(4, group=2))  # kernels read four inputs at a time
    artifact = prepare(system, context(task, name), recipe)
    with pytest.raises(Unsupported, match=r"layer transformer_blocks\.0.* wants groups of a multiple of 4 inputs"):
        apply(system, artifact, "real")
