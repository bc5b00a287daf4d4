"""Denoisers of published size: parameters and FLOPs are the published shapes', and nothing is passed off as quality."""

import numpy as np
import pytest

from effbench.api import Context, PluginError
from effbench.tasks.denoiser.architectures import ARCHITECTURES
from effbench.tasks.denoiser.task import Denoiser


def task(**params):
    return Denoiser(Denoiser.Params(**params))


def test_the_shapes_are_the_published_ones():
    import torch

    with torch.device("meta"):
        model = ARCHITECTURES["pixart-sigma-xl2"].build(28, 4096)
        linear = sum(p.numel() for n, p in model.transformer_blocks.named_parameters() if n.endswith("weight"))
    assert linear == 28 * (8 * 1152**2 + 2 * 1152 * 4608)  # about 0.59 G, the dossier's figure
    assert model.pos_embed.pos_embed.shape == (1, 4096, 1152)
    with torch.device("meta"):
        mid = ARCHITECTURES["sdxl-mid-block"].build(10, 1024)
    assert len(mid.attentions[0].transformer_blocks) == 10
    assert mid.attentions[0].transformer_blocks[0].attn2.to_k.weight.shape == (1280, 2048)


@pytest.mark.parametrize(("name", "shape"), [("pixart-sigma-xl2", (8, 32, 32)), ("sdxl-mid-block", (1280, 16, 16))])
def test_a_guided_call_runs_two_halves_and_gives_one_output(name, shape):
    from dataclasses import replace

    small = task(architecture=name, blocks=1, tokens=256)
    system = small.load(Context())
    batch, rows = small.samples("evaluation"), []
    system.denoiser.register_forward_pre_hook(
        lambda _, args, kwargs: rows.append(len(args[0])) or None, with_kwargs=True
    )
    guided, alone = (small.run(s, batch, 0)[0]["output"] for s in (system, replace(system, guidance=1.0)))
    assert guided.shape == shape and np.isfinite(guided).all()
    assert rows == [2, 1]
    np.testing.assert_allclose(guided, alone, atol=1e-3)  # both halves get the same text, since nothing else is known
    assert not np.allclose(guided, small.run(system, batch, 1)[0]["output"])


def test_there_is_no_quality():
    small = task()
    scores = small.score([{"output": np.zeros(1)}], small.samples("evaluation"), None)
    assert Denoiser.random_weights and small.summariser(scores)(np.ones(1)) == {}


def test_what_is_not_published_is_refused():
    with pytest.raises(PluginError, match="the nearest is 1024"):
        task(tokens=1000).check()
    with pytest.raises(PluginError, match="has 28"):
        task(blocks=29).check()


def test_int8_runs_on_every_architecture():
    from effbench.api import Artifact
    from effbench_baselines.int8_dynamic.method import Int8Dynamic

    for name in ARCHITECTURES:
        small = task(architecture=name, blocks=1, tokens=256)
        system, batch = small.load(Context()), small.samples("evaluation")
        exact = small.run(system, batch, 0)[0]["output"]
        changed = small.run(Int8Dynamic().apply(system, Artifact()), batch, 0)[0]["output"]
        error = np.linalg.norm(changed - exact) / np.linalg.norm(exact)
        assert 1e-5 < error < 0.1, name


def test_several_steps_are_those_of_a_solver_and_what_follows_sampling_is_told_of_them():
    from effbench.diffusion import SamplingObserver

    class Notes(SamplingObserver):
        def __init__(self):
            self.seen = []

        def denoiser_runs(self, call):
            self.seen.append((call.step.index, call.step.count, call.order))

    small, notes = task(blocks=1, tokens=256, steps=3), Notes()
    system, batch, given = small.load(Context()), small.samples("evaluation"), []
    system.denoiser.register_forward_pre_hook(
        lambda _, args, kwargs: given.append((args[0].clone(), kwargs["timestep"], kwargs["encoder_hidden_states"])),
        with_kwargs=True,
    )
    first = small.run(system.observed_by(notes), batch, 0)[0]["output"]
    assert notes.seen == [(i, 3, "unconditional-first") for i in range(3)]
    assert [float(t[0]) for _, t, _ in given] == [999, 666, 333]
    assert all((x[0] == x[1]).all() and not text[0].any() and text[1].any() for x, _, text in given)
    assert not np.allclose(given[0][0], given[1][0]), "the second step starts from what the first led to"
    assert system.settings()["steps"] == 3 and "DPMSolver" in system.settings()["scheduler"]
    assert (first == small.run(system, batch, 0)[0]["output"]).all(), "a second call starts anew"
