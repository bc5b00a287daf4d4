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
def test_a_call_gives_the_conditional_half(name, shape):
    from dataclasses import replace

    small = task(architecture=name, blocks=1, tokens=256)
    system = small.load(Context())
    batch = small.samples("evaluation")
    guided, alone = (small.run(s, batch, 0)[0]["output"] for s in (system, replace(system, guidance=1.0)))
    assert guided.shape == shape and np.isfinite(guided).all()
    np.testing.assert_allclose(guided, alone, atol=1e-3)
    assert not np.allclose(guided, small.run(system, batch, 1)[0]["output"])


def test_there_is_no_quality():
    small = task()
    scores = small.score([{"output": np.zeros(1)}], small.samples("evaluation"), None)
    assert Denoiser.random_weights and small.summarise(scores, np.ones(1)) == {}


def test_what_is_not_published_is_refused():
    with pytest.raises(PluginError, match="the nearest is 1024"):
        task(tokens=1000).check()
    with pytest.raises(PluginError, match="has 28"):
        task(blocks=29).check()
