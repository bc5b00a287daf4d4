"""The recipe of the videos: language, splits, composer, and a Latte that begins as the image model frame by frame."""

from collections import Counter
from importlib.resources import files

import numpy as np
import pytest
import torch

from effbench.zoo.emoji_pixart.autoencoder import build_autoencoder
from effbench.zoo.emoji_pixart.models import build_text_encoder as image_text_encoder
from effbench.zoo.emoji_pixart.models import build_transformer as image_transformer
from effbench.zoo.emoji_scenes.compose import Composer
from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.emoji_scenes.tokens import tokenizer as image_tokenizer
from effbench.zoo.flow import FlowDenoiser
from effbench.zoo.moving_emoji import prompts as module
from effbench.zoo.moving_emoji.compose import FRAMES, SIDE, film, to_tensor
from effbench.zoo.moving_emoji.language import DIRECTIONS, STEPS, Motion, draw_motion, sentence, split_of
from effbench.zoo.moving_emoji.prompts import LISTS, draw_list, entries, split_at
from effbench.zoo.moving_emoji_judge.models import VideoJudge
from effbench.zoo.moving_emoji_judge.scoring import VideoScorer
from effbench.zoo.moving_emoji_latte.models import VideoDenoiser, begin_from, build_transformer, tokenizer
from effbench.zoo.moving_emoji_latte.sampling import assemble, draw

SPLITS = ("train", "calibration", "evaluation", "held_out")


@pytest.fixture(scope="module")
def composer():
    """Every concept is a white square."""
    picture = np.full((64, 64, 4), 255, np.uint8)
    return Composer([picture] * len(world().concepts))


def motions(split, count=100):
    rng = np.random.default_rng(0)
    return [draw_motion(rng, split) for _ in range(count)]


def test_the_manifest_is_what_the_code_prints(capsys):
    module.main()
    assert files("effbench_data_manifests").joinpath("moving_emoji_prompts.yaml").read_text() == capsys.readouterr().out


def test_lists_are_of_their_split_and_share_no_sentence():
    everything = [(key, prompt) for name in LISTS for key, prompt, _ in entries(name)]
    assert len({key for key, _ in everything}) == len({prompt for _, prompt in everything}) == sum(LISTS.values())
    for name in LISTS:
        for place, ((_, prompt, motion), drawn) in enumerate(zip(entries(name), draw_list(name), strict=True)):
            assert motion == drawn and sentence(motion) == prompt and split_of(motion) == split_at(name, place)
            assert motion.direction == place % len(DIRECTIONS)
            assert name == "pool" or split_of(motion) == name
    pool = [motion for _, _, motion in entries("pool")]
    assert len(pool) == 300 and max(Counter(motion[:2] for motion in pool).values()) <= 2


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_keeps_its_own(split):
    assert {split_of(motion) for motion in motions(split)} == {split}


def test_sentences_read_as_meant():
    assert sentence(Motion(world().concepts.index("umbrella"), 0)) == "an umbrella moving left"
    assert (
        sentence(Motion(world().concepts.index("brain"), 3, 0))
        == f"a brain moving down on a {world().grounds[0]} ground"
    )


@pytest.mark.parametrize("direction", range(len(DIRECTIONS)))
def test_the_emoji_moves_where_the_sentence_says(direction, composer):
    motion = next(m for m in motions("train", 400) if m.direction == direction)
    videos = film(composer, [motion] * 20, np.random.default_rng(1)).astype(int)
    assert videos.shape == (20, FRAMES, SIDE, SIDE, 3)
    for video in videos:
        centres = np.array([np.argwhere((f == 255).all(-1)).mean(0) for f in video])
        moved = np.diff(centres, axis=0)
        down, right = STEPS[direction]
        assert (moved * (down, right) >= 0).all() and (moved * (right, down) == 0).all()
        assert np.abs(centres[-1] - centres[0]).sum() >= 7


@pytest.fixture(scope="module")
def begun():
    """Return a tiny image denoiser, livelier than at its start, and a video denoiser begun from it."""
    torch.manual_seed(0)
    image = FlowDenoiser(image_text_encoder(16, layers=1), image_transformer(heads=1, layers=2, text_width=16)).eval()
    for parameter in image.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    encoder = image_text_encoder(16, layers=1, vocabulary_size=len(tokenizer()))
    video = VideoDenoiser(encoder, build_transformer(heads=1, layers=2, text_width=16)).eval()
    begin_from(image, image_tokenizer(), video)
    return image, video


def test_a_begun_latte_draws_every_frame_as_the_image_model_does(begun):
    image, video = begun
    words = ["a red apple on a blue ground", "an umbrella"]
    ours, theirs = (
        t(words, padding="max_length", max_length=12, return_tensors="pt") for t in (tokenizer(), image_tokenizer())
    )
    x, s = torch.randn(2, 4, FRAMES, 8, 8), torch.tensor([0.3, 0.7])
    kept = torch.ones(2, dtype=torch.bool)  # as of a dropped caption: no embedding is made zero
    everything = torch.ones_like(theirs.attention_mask)
    with torch.no_grad():
        pooled = image.text_encoder(theirs.input_ids, attention_mask=theirs.attention_mask)[0]
        frames = [
            image.transformer(
                x[:, :, f], encoder_hidden_states=pooled, encoder_attention_mask=everything, timestep=s * 1000,
                added_cond_kwargs={"resolution": None, "aspect_ratio": None}, return_dict=False,
            )[0]
            for f in range(FRAMES)
        ]  # fmt: skip
        # The temporal blocks add nothing, but the first of them adds the frame's position.
        video.transformer.temp_pos_embed.zero_()
        found = video(x, s, ours.input_ids, ours.attention_mask, kept)
    torch.testing.assert_close(found, torch.stack(frames, dim=2), atol=1e-4, rtol=1e-4)


def test_words_keep_their_embedding_and_the_new_ones_are_there(begun):
    image, video = begun
    for word in ("▁apple", "▁left", "▁ground"):
        one = image.text_encoder.shared.weight[image_tokenizer().convert_tokens_to_ids(word)]
        assert torch.equal(one, video.text_encoder.shared.weight[tokenizer().convert_tokens_to_ids(word)])
    assert tokenizer().convert_tokens_to_ids("▁moving") != tokenizer().unk_token_id


def test_a_pipeline_draws_videos_of_its_prompts(begun):
    _, video = begun
    pipeline = assemble(video, build_autoencoder(width=8))
    one, other = (draw(pipeline, [words], 1, steps=2) for words in ("a dog moving left", "a star moving up"))
    assert one.shape == (1, FRAMES, 3, SIDE, SIDE)
    assert one.min() >= 0 and one.max() <= 1 and not torch.equal(one, other)


def test_the_judge_sees_frames_and_their_order(composer):
    net = VideoJudge(world().n_seen)
    videos = to_tensor(film(composer, motions("train", 4), np.random.default_rng(2))) / 2 + 0.5
    judge = VideoScorer(net)
    seen, backwards = judge.see(videos), judge.see(videos.flip(1))
    assert seen.names.shape == (4, FRAMES, world().n_seen) and seen.features.shape == (4, 192)
    assert np.allclose(seen.names.mean(1), backwards.names.mean(1), atol=1e-4)
    assert not np.allclose(seen.directions, backwards.directions)
