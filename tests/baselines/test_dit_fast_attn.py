"""DiTFastAttn on whole models: the search and its plans, what is left behind, counted and said, and what is refused."""

import re
from dataclasses import replace

import diffusion_systems as systems
import numpy as np
import pytest
import tiny_pipelines
import torch
from tiny_systems import loaded, tiny

from effbench.api import Context, PluginError, Unsupported
from effbench.diffusion.attention_plan import AttentionPlan, LayerSlots, read_attention_plan, write_attention_plan
from effbench.kernels.window_attention import window_attention
from effbench.measure.compute import measure_compute
from effbench.tasks.t2i.task import TextToImage
from effbench.testing import check_method
from effbench_baselines.dit_fast_attn.budgeted import DiTFastAttnV2
from effbench_baselines.dit_fast_attn.greedy import search
from effbench_baselines.dit_fast_attn.installing import replaceable_layers
from effbench_baselines.dit_fast_attn.loss import loss
from effbench_baselines.dit_fast_attn.method import PRESETS, DiTFastAttn
from effbench_baselines.dit_fast_attn.sharing import PlannedSharing
from effbench_baselines.vidit_q.method import ViDiTQ


def searched(name, threshold, steps=3, **given):
    task, system, ctx = loaded(name, steps=steps)
    asked = {"loss_name": "code", "width_share": 1 / 8, "short_windows": True} | given
    return task, system, search(system, ctx, systems.samples(name), threshold=threshold, **asked)


def planned(system, found, slot_of):
    """Return a plan in which a slot is what ``slot_of(layer, step)`` says."""
    layers = {
        name: LayerSlots(**layer.model_dump(exclude={"steps"}), steps=[slot_of(name, i) for i in range(system.steps)])
        for name, layer in found.layers.items()
    }
    return AttentionPlan.of("test", system.settings(), {}, layers)


def output(task, system, name):
    return task.run(system, systems.samples(name), 0)


def difference(ours, theirs):
    return max(float(np.abs(a["latent"] - b["latent"]).max()) for a, b in zip(ours, theirs))


CLASSES = [
    "PixArtSigmaPipeline",
    "CogVideoXPipeline",
    *(pytest.param(name, marks=pytest.mark.proof) for name in ("DiTPipeline", "LattePipeline")),
]


@pytest.mark.parametrize("name", CLASSES)
def test_every_model_is_exact_at_full_width_and_left_as_it_was(name):
    task, system, found = searched(name, 0.0, steps=2, width_share=1.0)
    plan = planned(system, found, lambda _, step: "wa-rs" if step else "full")
    before = {layer: it.module.processor for layer, it in replaceable_layers(system).items()}
    sharing = PlannedSharing(plan)
    assert difference(output(task, system.observed_by(sharing), name), output(task, system, name)) == 0.0
    assert {layer: it.module.processor for layer, it in replaceable_layers(system).items()} == before
    assert not sharing.memory.table and "forward" not in vars(system.denoiser)


@pytest.mark.whole
@pytest.mark.parametrize("name", CLASSES)
def test_a_second_call_equals_the_first_whatever_ran_between(name):
    task, system, found = searched(name, 0.0, steps=3)
    slots = ["full", "wa-rs+asc" if name != "CogVideoXPipeline" else "wa-rs", "ast"]
    changed = system.observed_by(PlannedSharing(planned(system, found, lambda _, step: slots[step])))
    first = output(task, changed, name)
    task.run(changed, systems.samples(name)[:1], 5)
    assert difference(output(task, changed, name), first) == 0.0
    assert difference(first, output(task, system, name)) > 1e-3


def test_an_error_gives_the_processors_back():
    name = "PixArtSigmaPipeline"
    task, system, found = searched(name, 0.0, steps=2)
    sharing = PlannedSharing(planned(system, found, lambda *_: "full"))

    def breaks(*_):
        raise RuntimeError("in the middle")

    handle = system.denoiser.transformer_blocks[1].register_forward_pre_hook(breaks)
    try:
        with pytest.raises(RuntimeError, match="in the middle"):
            output(task, system.observed_by(sharing), name)
    finally:
        handle.remove()
    processors = {type(layer.module.processor).__name__ for layer in replaceable_layers(system).values()}
    assert processors == {"AttnProcessor2_0"} and not sharing.memory.table and sharing.call is None
    with pytest.raises(PluginError, match="has 2 steps, and the solver takes 4"):
        output(task, replace(system, steps=4).observed_by(sharing), name)


@pytest.mark.parametrize("name", CLASSES)
def test_without_a_threshold_nothing_but_equal_halves_is_shared_and_with_none_at_all_everything(name):
    _, system, nothing = searched(name, 0.0)
    free = "transformer_blocks.0.attn1" if name in ("PixArtSigmaPipeline", "LattePipeline") else None
    for layer, plan in nothing.layers.items():
        assert plan.steps == (("asc",) * 3 if layer == free else ("full",) * 3)
    _, _, everything = searched(name, float("inf"))
    for layer, plan in everything.layers.items():
        assert plan.steps == ("asc" if layer == free else "full", "ast", "ast")
    assert everything.model_calls == 3 + 2 * len(everything.layers)
    tried = (4 if name != "CogVideoXPipeline" or system.guidance_order != "off" else 2) * len(nothing.layers)
    assert nothing.model_calls == 3 + 2 * (tried - (2 if free else 0))


def test_layers_are_searched_in_the_order_in_which_they_run():
    _, system, found = searched("LattePipeline", 0.0, steps=2)
    names = list(found.layers)
    assert names[:4] == [f"{kind}transformer_blocks.{i}.attn1" for i in (0, 1) for kind in ("", "temporal_")]
    assert {(layer.rows, layer.tokens) for layer in found.layers.values()} == {
        (2 * system.frames, 16),
        (2 * 16, system.frames),
    }


@pytest.mark.parametrize("name", ["PixArtSigmaPipeline", "DiTPipeline"])
def test_what_was_accepted_is_below_a_budget_that_grows_with_depth(name):
    task, system, found = searched(name, 0.3, steps=4)
    budgets = {key: budget for key, (_, budget) in found.accepted.items()}
    depth = {layer: place for place, layer in enumerate(found.layers, start=1)}
    assert found.accepted and all(given < budget for given, budget in found.accepted.values())
    assert all(budget == pytest.approx(0.3 * depth[layer] / len(depth)) for (_, layer), budget in budgets.items())
    strategies = {slot for layer in found.layers.values() for slot in layer.steps}
    assert len(strategies) > 1
    plan = AttentionPlan.of("test", system.settings(), {}, found.layers)
    error = difference(output(task, system.observed_by(PlannedSharing(plan)), name), output(task, system, name))
    assert error > 0
    _, _, paper = searched(name, 0.3, steps=4, loss_name="paper")
    assert AttentionPlan.of("test", system.settings(), {}, paper.layers).share <= plan.share


def given_at(task, system, plan, step, name):
    """Return what the denoiser gives at a step of a run under a plan, both halves of guidance and all channels."""
    seen = []
    handle = system.denoiser.register_forward_hook(lambda *arguments: seen.append(arguments[-1][0]))
    try:
        output(task, system.observed_by(PlannedSharing(plan)), name)
    finally:
        handle.remove()
    assert len(seen) == system.steps
    return seen[step]


@pytest.mark.parametrize("loss_name", ["code", "paper"])
@pytest.mark.parametrize("name", ["PixArtSigmaPipeline", "DiTPipeline"])
def test_the_chosen_plan_scores_what_the_search_said_of_it(name, loss_name):
    """Scored anew, run by run: the plan up to a layer of a step, against that step in full behind the plan's earlier ones."""
    task, system, found = searched(name, 0.3, steps=4, loss_name=loss_name)
    order, slots = list(found.layers), {layer: plan.steps for layer, plan in found.layers.items()}

    def prefix(step, layers):
        def slot_of(layer, at):
            return slots[layer][at] if at < step or (at == step and layer in layers) else "full"

        return given_at(task, system, planned(system, found, slot_of), step, name)

    assert len(found.accepted) > 2
    for (step, layer), (said, budget) in found.accepted.items():
        scored = loss(loss_name, prefix(step, ()), prefix(step, order[: order.index(layer) + 1]))
        assert scored < budget and scored == pytest.approx(said, rel=1e-3), (step, layer)


def test_sharing_at_layer_0_before_the_first_cross_attention_is_exact():
    for name in ("PixArtSigmaPipeline", "LattePipeline"):
        task, system, found = searched(name, 0.0)
        plan = planned(system, found, lambda layer, _: "asc" if layer == "transformer_blocks.0.attn1" else "full")
        ours, theirs = output(task, system.observed_by(PlannedSharing(plan)), name), output(task, system, name)
        assert difference(ours, theirs) < 1e-5
        assert AttentionPlan.of("test", system.settings(), {}, found.layers) == replace_method(plan)


def replace_method(plan):
    return AttentionPlan.of("test", plan.settings, plan.search, plan.layers)


@pytest.mark.parametrize("name", ["PixArtSigmaPipeline", "LattePipeline"])
def test_operations_of_a_plan_are_those_that_are_counted(name):
    task, system, found = searched(name, 0.0, steps=4)
    slots = ["full", "asc", "ast", "asc"]
    plan = planned(system, found, lambda _, step: slots[step])
    batch = systems.samples(name)
    before = measure_compute(lambda: task.run(system, batch, 0)).flops
    after = measure_compute(lambda: task.run(system.observed_by(PlannedSharing(plan)), batch, 0)).flops
    assert before - after == len(batch) * (plan.flops.full - plan.flops.plan)


def test_windows_are_counted_too_and_cost_what_the_kernel_multiplies():
    name = "PixArtSigmaPipeline"
    task, system, found = searched(name, 0.0, steps=4)
    slots = ["full", "wa-rs", "ast", "wa-rs+asc"]
    plan = planned(system, found, lambda _, step: slots[step])
    batch = systems.samples(name)
    before = measure_compute(lambda: task.run(system, batch, 0)).flops
    after = measure_compute(lambda: task.run(system.observed_by(PlannedSharing(plan)), batch, 0)).flops
    layer = next(iter(plan.layers.values()))
    x = torch.zeros(1, layer.heads, layer.tokens, layer.head_width)
    ran = measure_compute(lambda: window_attention(x, x, x, layer.half_width)).flops  # blocks, with masked pairs
    declared = 4 * layer.heads * layer.head_width * layer.window_pairs
    # Full attention before a window also takes the band alone, whose residual it leaves behind.
    rows = len(plan.layers) * layer.rows * (ran + 1.5 * (ran - declared))
    assert before - after == len(batch) * (plan.flops.full - plan.flops.plan - rows)


def method(**params):
    return DiTFastAttn(DiTFastAttn.Params(**params))


def test_over_few_tokens_windows_give_way_to_full_attention_and_it_says_so(tmp_path):
    name = "PixArtSigmaPipeline"
    _task, system, ctx = loaded(name, steps=3)
    artifact = method(threshold=0.5).prepare(system, ctx)
    assert artifact.config["windows"].startswith("full attention in their place in 2 of 2 layers: over so few tokens")
    assert AttentionPlan.model_validate(artifact.config["attention_plan"]).counts().keys() <= {"full", "ast", "asc"}
    _, _, found = searched(name, 0.0)
    given = planned(system, found, lambda _, step: ["full", "wa-rs", "wa-rs+asc"][step])
    file = tmp_path / "plan.yaml"
    write_attention_plan(file, given)
    kept = method(plan=str(file), short_windows=True).prepare(system, ctx).config
    assert kept["windows"] == "everywhere" and kept["attention_plan"] == given.content()
    changed = AttentionPlan.model_validate(method(plan=str(file)).prepare(system, ctx).config["attention_plan"])
    assert {layer.steps for layer in changed.layers.values()} == {("full", "full", "asc")}


def test_a_plan_takes_the_place_of_the_search_and_another_model_s_is_refused(tmp_path):
    name = "DiTPipeline"
    task, system, ctx = loaded(name, steps=2)
    artifact = method(threshold=0.4, short_windows=True).prepare(system, ctx)
    file = tmp_path / "plan.yaml"
    write_attention_plan(file, AttentionPlan.model_validate(artifact.config["attention_plan"]))
    again = method(plan=str(file), short_windows=True)
    from_file = again.prepare(system, ctx)
    assert from_file.config["attention_plan"] == artifact.config["attention_plan"]
    ours = output(task, again.apply(system, from_file), name)
    assert difference(ours, output(task, method().apply(system, artifact), name)) == 0.0
    assert read_attention_plan(file).search["threshold"] == 0.4 and read_attention_plan(file).search["loss"] == "code"
    for other, why in (
        (
            loaded("PixArtSigmaPipeline", steps=2)[1],
            "holds for model 'DiTPipeline'; this system has 'PixArtSigmaPipeline'",
        ),
        (replace(system, guidance=1.0), "holds for guidance_order 'conditional-first'; this system has 'off'"),
    ):
        with pytest.raises(PluginError, match=re.escape(why)) as error:
            again.prepare(other, ctx)
        assert "\n" not in str(error.value)
    plan = read_attention_plan(file)
    write_attention_plan(file, AttentionPlan.of("other", plan.settings, {}, plan.layers))
    with pytest.raises(PluginError, match="the plan was changed after this cell was prepared from it"):
        again.apply(system, from_file)
    file.write_text("schema: effbench/suite/1\n")
    with pytest.raises(PluginError, match="an attention plan is of 'effbench/attention-plan/1'"):
        again.prepare(system, ctx)


def test_without_guidance_nothing_is_shared_across_it():
    name = "PixArtSigmaPipeline"
    task, system, ctx = loaded(name, steps=3, guidance=1.0)
    artifact = method(threshold=1.0).prepare(system, ctx)
    plan = AttentionPlan.model_validate(artifact.config["attention_plan"])
    assert plan.counts().keys() <= {"full", "ast"} and plan.counts()["ast"]
    assert {layer.rows for layer in plan.layers.values()} == {1}
    assert np.isfinite(output(task, method().apply(system, artifact), name)[0]["latent"]).all()


def test_facts_say_what_is_computed_and_kept():
    name = "PixArtSigmaPipeline"
    _, system, found = searched(name, 0.0, steps=4)
    slots = ["full", "wa-rs", "ast", "asc"]
    changed = system.observed_by(PlannedSharing(planned(system, found, lambda _, step: slots[step])))
    facts = {key: fact.value for key, fact in method().facts(changed).items()}
    assert facts["full_share"] == facts["wa_rs_share"] == facts["ast_share"] == facts["asc_share"] == 0.25
    layer = next(iter(found.layers.values()))
    assert facts["attention_flops_share"] == pytest.approx((1.5 + layer.flops("wa-rs") / layer.flops("full")) / 4)
    assert facts["kept_mb"] == pytest.approx(2 * 2 * 16 * layer.channels * 4 / 1e6)  # residuals, then outputs
    assert facts["attention_core_flops_share"] < facts["attention_flops_share"]


def test_it_keeps_the_contract():
    task = TextToImage(TextToImage.Params(system="zoo:digits-dit", steps=2))
    check_method(DiTFastAttn, params=DiTFastAttn.Params(threshold=1000, samples=1), task=task)


def test_a_chain_with_vidit_q_works():
    name = "PixArtSigmaPipeline"
    tiny.cache_clear()
    task, system, ctx = loaded(name, steps=3)
    plain = output(task, system, name)
    first, second = ViDiTQ(ViDiTQ.Params(calibration_samples=2)), method(threshold=0.3)
    system = first.apply(system, first.prepare(system, ctx))
    quantized = output(task, system, name)
    system = second.apply(system, second.prepare(system, ctx))
    both = output(task, system, name)
    assert (
        first.facts(system)["mean_weight_bits"].value == 8 and second.facts(system)["attention_flops_share"].value < 1
    )
    assert difference(quantized, plain) > 0 and difference(both, quantized) > 0
    tiny.cache_clear()


def test_models_that_are_not_known_are_refused():
    _task, system, ctx = loaded("WanPipeline")
    with pytest.raises(Unsupported, match="attends by WanAttnProcessor, which cannot be replaced"):
        method().prepare(system, ctx)


def test_a_step_of_two_evaluations_is_one_step():
    pipeline = tiny_pipelines.sdxl("HeunDiscreteScheduler")
    pipeline.set_progress_bar_config(disable=True)
    task = TextToImage(TextToImage.Params(steps=3, guidance=3.0, long_prompts="cut"))
    task._check_prompts = lambda *_: None
    system = task.system_of(pipeline)
    batch = systems.samples("CogVideoXPipeline")
    ctx = Context(calibration=lambda: batch, run=task.run)
    artifact = method(threshold=10.0, short_windows=True).prepare(system, ctx)
    plan = AttentionPlan.model_validate(artifact.config["attention_plan"])
    assert {len(layer.steps) for layer in plan.layers.values()} == {3}
    assert plan.search["model_calls"] == 3 + 2 + 2 * len(plan.layers)  # three first evaluations, two second ones
    assert np.isfinite(task.run(method().apply(system, artifact), batch, 0)[0]["latent"]).all()


def test_presets_and_claims():
    assert list(PRESETS.values()) == [0.025, 0.05, 0.075, 0.1, 0.125, 0.15]
    assert method(threshold="D6").threshold == 0.15 and method().threshold == 0.1
    with pytest.raises(ValueError, match="D7"):
        method(threshold="D7")
    for claim in (*DiTFastAttn.claims, *DiTFastAttnV2.claims):
        if claim.metric == "attention module, FLOPs":  # computed, on whatever device
            assert "test_window_attention" in claim.not_comparable
            continue
        assert claim.holds_for["device_class"] == "cuda" and not claim.not_comparable  # a CPU did not measure it
        assert set(claim.holds_for) <= {*TextToImage.Params.model_fields, "threshold", "device_class"}
    at_2k = [claim for claim in DiTFastAttn.claims if claim.metric == "latency" and "2K, D6" in claim.setting]
    assert [claim.value for claim in at_2k] == [1.79]
