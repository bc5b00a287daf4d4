"""Searches that resume a denoiser in its midst find what searches that always start anew do, with less work."""

import diffusion_systems as systems
import pytest
import torch
from tiny_systems import loaded
from torch import nn

from effbench.api import PluginError
from effbench_baselines.dit_fast_attn.greedy import search
from effbench_baselines.dit_fast_attn.influence import KeptOutput, LayerInfluence, measure_influences
from effbench_baselines.dit_fast_attn.resuming import ResumedRuns


class Adding(nn.Module):
    """A block that adds a number, out of place or into what it is given, and counts its runs."""

    def __init__(self, number, into=False):
        super().__init__()
        self.attn, self.number, self.into, self.runs = nn.Identity(), number, into, 0

    def forward(self, x):
        self.runs += 1
        return x.add_(self.number) if self.into else x + self.number


class Chain(nn.Module):
    """Blocks one after another, in an order that may change."""

    def __init__(self, *blocks):
        super().__init__()
        self.blocks, self.order = nn.ModuleList(blocks), list(range(len(blocks)))

    def forward(self, x):
        for i in self.order:
            x = self.blocks[i](x)
        return x


def resumed(chain):
    return ResumedRuns(chain, [f"blocks.{i}.attn" for i in range(len(chain.blocks))])


def test_blocks_before_the_changed_one_give_what_they_gave():
    chain, x = Chain(Adding(1.0), Adding(10.0), Adding(100.0)), torch.zeros(2)
    runs = resumed(chain)
    with runs.installed():
        assert runs.run(lambda: chain(x))[0] == 111
        runs.accept()
        chain.blocks[2].number = 200.0
        assert runs.run(lambda: chain(x), "blocks.2.attn")[0] == 211
        chain.blocks[1].number = 20.0
        assert runs.run(lambda: chain(x), "blocks.2.attn")[0] == 211  # the accepted run stands
        assert runs.run(lambda: chain(x), "blocks.1.attn")[0] == 221
    assert [block.runs for block in chain.blocks] == [1, 2, 4]
    assert "forward" not in vars(chain.blocks[0]) and not runs.standing


def test_what_was_written_into_is_computed_again():
    chain = Chain(Adding(1.0), Adding(10.0, into=True), Adding(100.0))
    runs = resumed(chain)
    with runs.installed():
        runs.run(lambda: chain(torch.zeros(2)))
        runs.accept()
        for layer in ("blocks.1.attn", "blocks.2.attn"):
            assert runs.place(layer) == 0
            assert runs.run(lambda: chain(torch.zeros(2)), layer)[0] == 111
    assert [block.runs for block in chain.blocks] == [3, 3, 3]


def test_a_block_that_runs_twice_or_elsewhere_is_noticed():
    chain, x = Chain(Adding(1.0), Adding(10.0)), torch.zeros(2)
    runs = resumed(chain)
    with runs.installed():
        chain.order = [0, 1, 0]
        runs.run(lambda: chain(x))
        runs.accept()
        assert runs.place("blocks.1.attn") == 0
        chain.order = [0, 1]
        runs.run(lambda: chain(x))
        runs.accept()
        chain.order = [1, 0]
        with pytest.raises(PluginError, match="change their order"):
            runs.run(lambda: chain(x), "blocks.1.attn")
    assert ResumedRuns(chain, ["norm_out"]).place("norm_out") == 0


def test_tensors_of_inference_mode_are_never_taken_for_intact():
    with torch.inference_mode():
        kept = KeptOutput.of((torch.zeros(2),))
    assert not kept.is_intact
    kept = KeptOutput.of((torch.zeros(2), None))
    assert kept.is_intact
    kept.output[0].add_(1)
    assert not kept.is_intact


NAMES = ["PixArtSigmaPipeline", "LattePipeline", pytest.param("CogVideoXPipeline", marks=pytest.mark.proof)]


@pytest.mark.parametrize("name", NAMES)
def test_plans_and_influences_are_those_of_whole_runs(name, monkeypatch):
    _, system, ctx = loaded(name, steps=4)
    batch, blocks = systems.samples(name), list(system.denoiser.transformer_blocks)
    runs, handles = (
        [0],
        [block.attn1.to_q.register_forward_pre_hook(lambda *_: runs.__setitem__(0, runs[0] + 1)) for block in blocks],
    )

    def both():
        runs[0] = 0
        trial = LayerInfluence(system, len(batch), 1 / 8, True, oldest=2)
        found = search(system, ctx, batch, threshold=0.1, loss_name="code", width_share=1 / 8, short_windows=True)
        return found, measure_influences(system, ctx, batch, trial), runs[0]

    try:
        (plan, measured, few) = both()
        monkeypatch.setattr(ResumedRuns, "place", lambda *_: 0)
        monkeypatch.setattr(KeptOutput, "is_intact", False)
        (whole_plan, whole, many) = both()
    finally:
        for handle in handles:
            handle.remove()
    assert plan.layers == whole_plan.layers and plan.accepted == whole_plan.accepted
    assert measured.influences == whole.influences
    assert any(slot != "full" for layer in plan.layers.values() for slot in layer.steps)
    assert few < many
