"""DiTFastAttn layer by layer: what each strategy computes, what is kept and forgotten, and both formulas of the loss."""

import pytest
import torch
from diffusers.models.attention_processor import Attention
from torch.nn.functional import scaled_dot_product_attention

from effbench.api import PluginError
from effbench.diffusion import DenoiserCall, Step
from effbench.kernels.window_attention import window_attention
from effbench_baselines.dit_fast_attn.loss import loss
from effbench_baselines.dit_fast_attn.sharing import AttentionSharing, SharingProcessor

TOKENS, CHANNELS, HEADS, WINDOW = 96, 32, 4, 12
ORDERS = ("unconditional-first", "conditional-first")


class Slots(AttentionSharing):
    """One layer whose slots are given, without a pipeline."""

    def __init__(self, *slots, order="unconditional-first", window=WINDOW, residual_half="kept"):
        super().__init__(residual_half)
        self.slots, self.window = slots, window
        torch.manual_seed(0)
        self.attn = Attention(query_dim=CHANNELS, heads=HEADS, dim_head=CHANNELS // HEADS, bias=True)
        self.plain, self.order = self.attn.processor, order
        self.attn.processor = SharingProcessor("layer", self)

    def slot(self, layer, step):
        return self.slots[step]

    def half_width(self, layer):
        return self.window

    @torch.no_grad()
    def run(self, *inputs, number=0):
        """Return the outputs of successive steps."""
        found = []
        for step, x in enumerate(inputs):
            self.call = DenoiserCall(Step(step, len(self.slots), 0, 0.0), self.order, number)
            found.append(self.attn(x))
        return found

    @torch.no_grad()
    def full(self, x):
        return self.plain(self.attn, x)

    def cond(self, y):
        return y[self.call.conditional(len(y))]

    def uncond(self, y):
        return y[self.call.unconditional(len(y))]


def inputs(count, rows=4):
    generator = torch.Generator().manual_seed(1)
    first = torch.randn(rows, TOKENS, CHANNELS, generator=generator)
    return [first + 0.1 * i * torch.randn(first.shape, generator=generator) for i in range(count)]


def near(a, b, tolerance=1e-5):
    return torch.allclose(a, b, atol=tolerance, rtol=0)


def test_full_attention_is_bit_for_bit_that_of_the_library():
    slots = Slots("full", "full")
    slots.keeps_residual = lambda *_: False
    x, y = inputs(2)
    assert all(torch.equal(ours, slots.full(given)) for ours, given in zip(slots.run(x, y), (x, y)))


@pytest.mark.parametrize("slot", ["wa-rs", "wa-rs+asc"])
def test_at_full_width_a_window_is_full_attention_bit_for_bit(slot):
    slots = Slots("full", slot, window=TOKENS - 1)
    x, other = inputs(2)
    other = other if slot == "wa-rs" else torch.cat([other[2:], other[2:]])
    _, ours = slots.run(x, other)
    assert torch.equal(slots.cond(ours), slots.cond(Slots("full").run(other)[0]))
    assert not slots.memory.table["layer", 0].residual.any()


def test_the_same_input_again_gives_the_same_output_by_every_strategy_that_looks_back():
    (x,) = inputs(1)
    first, windowed, shared = Slots("full", "wa-rs", "ast").run(x, x, x)
    assert near(windowed, first) and torch.equal(shared, windowed)


def test_a_window_adds_the_residual_of_the_last_full_step():
    slots, (x, y, z) = Slots("full", "wa-rs", "wa-rs"), inputs(3)
    with torch.no_grad():
        q, k, v = (
            layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for layer in (slots.attn.to_q, slots.attn.to_k, slots.attn.to_v)
        )
        left = scaled_dot_product_attention(q, k, v) - window_attention(q, k, v, WINDOW)
        q, k, v = (
            layer(z).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for layer in (slots.attn.to_q, slots.attn.to_k, slots.attn.to_v)
        )
        expected = slots.attn.to_out[0]((window_attention(q, k, v, WINDOW) + left).transpose(1, 2).flatten(2))
    assert near(slots.run(x, y, z)[2], expected) and not near(expected, slots.full(z), 1e-3)


@pytest.mark.parametrize("order", ORDERS)
def test_sharing_across_guidance_keeps_the_conditional_half(order):
    slots, (x,) = Slots("asc", order=order), inputs(1)
    (ours,) = slots.run(x)
    assert near(slots.cond(ours), slots.cond(slots.full(x))) and torch.equal(slots.uncond(ours), slots.cond(ours))
    assert not near(slots.uncond(ours), slots.uncond(slots.full(x)), 1e-2)
    equal = x.clone()
    equal[:2] = equal[2:]
    assert near(Slots("asc", order=order).run(equal)[0], slots.full(equal))


@pytest.mark.parametrize("order", ORDERS)
def test_a_shared_window_adds_the_residual_of_the_half_that_was_kept(order):
    x, y = inputs(2)
    both = Slots("full", "wa-rs", order=order)
    shared = Slots("full", "wa-rs+asc", order=order)
    wrong = Slots("full", "wa-rs+asc", order=order, residual_half="first")
    expected = both.cond(both.run(x, y)[1])
    assert near(shared.cond(shared.run(x, y)[1]), expected)
    assert near(wrong.cond(wrong.run(x, y)[1]), expected, 1e-3) == (order == "conditional-first")


@pytest.mark.parametrize("slot", ["wa-rs", "wa-rs+asc"])
def test_a_shared_full_step_leaves_its_residual_to_both_halves(slot):
    x, y = inputs(2)
    x[:2] = x[2:]
    expected, ours = (Slots(first, slot) for first in ("full", "asc"))
    assert near(ours.run(x, y)[1], expected.run(x, y)[1])


def test_heads_are_full_windowed_or_those_of_the_step_before():
    x, y = inputs(2)
    slots = Slots("ffff", "fwcf")
    before, ours = slots.run(x, y)
    assert near(before, slots.full(x))
    with torch.no_grad():
        heads = {}
        for name, given in (("x", x), ("y", y)):
            heads[name] = [
                p(given).unflatten(-1, (HEADS, -1)).transpose(1, 2)
                for p in (slots.attn.to_q, slots.attn.to_k, slots.attn.to_v)
            ]
        out = scaled_dot_product_attention(*heads["y"])
        out[:, 1] = window_attention(*heads["y"], WINDOW)[:, 1]
        out[:, 2] = scaled_dot_product_attention(*heads["x"])[:, 2]
        expected = slots.attn.to_out[0](out.transpose(1, 2).flatten(2))
    assert near(ours, expected) and not near(ours, slots.full(y), 1e-3)


def test_what_was_kept_for_another_shape_or_guidance_is_not_used():
    (x,) = inputs(1)
    slots = Slots("full", "ast")
    assert near(slots.run(x, x[:2])[1], slots.full(x[:2]))
    slots = Slots("full", "ast")
    slots.run(x)
    slots.order = "off"
    slots.call = DenoiserCall(Step(1, 2, 0, 0.0), "off")
    assert near(slots.attn(2 * x), slots.full(2 * x))
    two_calls = Slots("full", "ast", order="conditional-call-first")
    two_calls.run(x), two_calls.run(3 * x, number=1)
    two_calls.call = DenoiserCall(Step(1, 2, 0, 0.0), "conditional-call-first", 0)
    assert near(two_calls.attn(7 * x), two_calls.full(x))


def test_fused_projections_are_known_and_masks_refused():
    (x,) = inputs(1)
    slots = Slots("full")
    (expected,) = slots.run(x)
    slots.attn.fuse_projections()
    assert slots.attn.fused_projections and near(slots.run(x)[0], expected)
    slots.attn.to_q = None
    assert near(slots.run(x)[0], expected)
    with pytest.raises(PluginError, match="layer attends under a mask"):
        slots.attn(x, attention_mask=torch.ones(4, TOKENS))


def test_a_denoiser_that_runs_past_its_hooks_is_an_error():
    slots = Slots("full")
    with pytest.raises(PluginError, match="no step was announced"):
        slots.attn(inputs(1)[0])


def test_loss_by_hand():
    full, changed = torch.tensor([1.0, -1.0, 2.0, -4.0]), torch.tensor([0.5, -2.0, -2.0, 4.0])
    paper = (0.5 / 1 + 1 / 2 + 4 / 2 + 8 / 4) / 4
    code = (0.5 / 1 + 1 / 1 + 4 / 2 + 8 / 4) / 4
    assert loss("paper", full, changed) == pytest.approx(paper, rel=1e-5)
    assert loss("code", full, changed) == pytest.approx(code, rel=1e-5)
    assert loss("code", torch.tensor([-1e-6, 0.0]), torch.tensor([-1.0, 0.0])) == pytest.approx(10 / 2)
    noise = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    other = noise + 0.1 * torch.randn(20_000, generator=torch.Generator().manual_seed(1))
    assert loss("code", noise, other) > 1.3 * loss("paper", noise, other)


def test_joint_attention_keeps_text_dense_and_windows_video():
    from effbench_baselines.dit_fast_attn.windows import window_pairs, windowed

    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, 20, 8, generator=generator) for _ in range(3))
    ours = windowed(q, k, v, 3, 4, None)
    full = scaled_dot_product_attention(q, k, v)
    assert near(ours[:, :, :4], full[:, :, :4]) and not near(ours[:, :, 4:], full[:, :, 4:], 1e-2)
    row = 11
    seen = [*range(4), *range(row - 3, row + 4)]
    alone = scaled_dot_product_attention(q[:, :, row : row + 1], k[:, :, seen], v[:, :, seen])
    assert near(ours[:, :, row : row + 1], alone)
    assert window_pairs(20, 3, 4) == sum(abs(i - j) <= 3 or i < 4 or j < 4 for i in range(20) for j in range(20))
