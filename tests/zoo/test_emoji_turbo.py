"""The recipe of the few-step model on tiny networks: tokens, start token, the pieces of the path, the pipeline."""

import pytest
import torch

from effbench.zoo.emoji_pixart.autoencoder import build_autoencoder
from effbench.zoo.emoji_scenes.prompts import prompts
from effbench.zoo.emoji_turbo import distil
from effbench.zoo.emoji_turbo.models import (
    MAX_TOKENS,
    TurboDenoiser,
    build_denoiser,
    build_text_encoder,
    build_unet,
    token_ids,
    tokenizer,
)
from effbench.zoo.emoji_turbo.sampling import assemble, draw
from effbench.zoo.shipping import parameters_of, save_pipeline
from effbench.zoo.words import START, STOP, UNKNOWN


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    one, two = build_text_encoder(8, projected=False), build_text_encoder(8, projected=True)
    return TurboDenoiser(one, two, build_unet((8, 16), (1, 2), (8, 8))).eval()


def test_every_prompt_fits_and_no_word_is_unknown():
    ids = token_ids([entry.prompt for name in ("calibration", "evaluation", "held_out") for entry in prompts(name)])
    start, stop, unknown = (tokenizer().convert_tokens_to_ids(word) for word in (START, STOP, UNKNOWN))
    assert ids.shape[1] == MAX_TOKENS and (ids[:, 0] == start).all() and (ids == stop).any(1).all()
    assert not (ids == unknown).any()
    assert (token_ids(["a zebrafish"]) == unknown).any()


def test_the_start_token_is_the_same_for_every_prompt_and_the_others_are_not(tiny):
    text, pooled = tiny.embed(token_ids(["a red apple", "two words of something else"]))
    torch.testing.assert_close(text[0, 0], text[1, 0])
    assert not torch.allclose(text[0, 1:4], text[1, 1:4])
    assert not torch.allclose(pooled[0], pooled[1])


def test_the_full_model_is_small_enough_to_ship():
    assert 2 * (parameters_of(build_denoiser()) + parameters_of(build_autoencoder())) <= 12e6


def test_the_pieces_end_where_the_sampler_stops():
    levels = distil.boundaries()
    assert len(levels) == 5 and levels[-1] == 0
    assert levels.tolist() == pytest.approx([1, 0.75, 0.5, 0.25, 0], abs=2e-3)


class Straight(torch.nn.Module):
    """A teacher whose velocity is the same everywhere, 1 with the prompt and 0 without."""

    def embed(self, ids):
        has_prompt = (ids[:, 1] > 2).float()
        return has_prompt[:, None, None].expand(-1, 2, 3), has_prompt[:, None]

    def forward(self, x, s, text, pooled):
        return pooled[:, :, None, None].expand_as(x)


def test_the_teacher_carries_along_its_guided_velocity():
    x, start, end = torch.zeros(2, 4, 2, 2), torch.tensor([1.0, 0.5]), torch.tensor([0.75, 0.25])
    teacher = Straight()
    text, empty = teacher.embed(token_ids(["a dog", "a cat"])), teacher.embed(token_ids([""]))
    carried = distil.carry(teacher, x, start, end, text, empty)
    # v = 0 + 3 (1 - 0) over a quarter of the path, backwards in noise
    torch.testing.assert_close(carried, torch.full_like(x, -0.75))


def test_a_student_that_knows_the_guided_velocity_has_no_loss():
    class Guided(Straight):
        def forward(self, x, s, text, pooled):
            return torch.full_like(x, distil.GUIDANCE)

    x_0, ids, empty = torch.randn(3, 4, 2, 2), token_ids(["a dog", "a cat", "a star"]), token_ids([""])
    generators = [torch.Generator().manual_seed(1) for _ in range(2)]
    assert distil.distillation_loss(Guided(), Straight(), x_0, ids, empty, generators[0]) < 1e-9
    unguided = distil.distillation_loss(Straight(), Straight(), x_0, ids, empty, generators[1])
    assert unguided == pytest.approx((distil.GUIDANCE - 1) ** 2, rel=1e-4)


def test_training_reaches_every_part_but_the_unused_layer(tiny):
    ids = token_ids(["a red apple", "a star"])
    loss = distil.distillation_loss(
        tiny, tiny, torch.randn(2, 4, 16, 16), ids, token_ids([""]), torch.Generator().manual_seed(0)
    )
    loss.backward()
    idle = {name for name, p in tiny.named_parameters() if p.grad is None}
    tiny.zero_grad()
    assert all(name.startswith("one.") and ("layers.1" in name or "final_layer_norm" in name) for name in idle), idle


def test_first_order_is_eulers_method_on_the_velocity(tiny):
    pipeline = assemble(tiny, build_autoencoder(width=8), solver_order=1)
    scheduler = pipeline.scheduler
    scheduler.set_timesteps(4)
    x = torch.randn(1, 4, 4, 4)
    velocity = torch.randn_like(x)
    stepped = scheduler.step(velocity, scheduler.timesteps[0], x).prev_sample
    levels = scheduler.sigmas
    torch.testing.assert_close(stepped, x + (levels[1] - levels[0]) * velocity, atol=1e-4, rtol=1e-4)


def test_a_pipeline_draws_and_comes_back_from_its_folder(tiny, tmp_path):
    from copy import deepcopy

    pipeline = assemble(deepcopy(tiny), build_autoencoder(width=8), solver_order=1)
    ours = draw(pipeline, ["a dog", "a star above a red car"], seed=1)
    assert ours.shape == (2, 3, 64, 64) and not torch.equal(ours[0], ours[1])
    loaded = save_pipeline(pipeline, tmp_path)
    torch.testing.assert_close(draw(loaded, ["a dog", "a star above a red car"], seed=1), ours, atol=0.03, rtol=0)
    assert not torch.allclose(draw(loaded, ["a dog"], seed=1, guidance=3.0)[0], ours[0], atol=1e-3)
