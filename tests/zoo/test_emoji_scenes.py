import numpy as np
import pytest

from effbench.zoo.emoji_scenes.compose import ALONE, SIDE, Composer
from effbench.zoo.emoji_scenes.concepts import load_pictures, world
from effbench.zoo.emoji_scenes.language import MAX_TOKENS, NONE, Scene, parse, sentence
from effbench.zoo.emoji_scenes.splits import draw_ground, draw_scene, held_out, split_of
from effbench.zoo.emoji_scenes.tokens import tokenizer, tokens
from effbench.zoo.emoji_scenes.truth import nearly_true, true_pairs

SPLITS = ("train", "calibration", "evaluation", "held-out")


@pytest.fixture(scope="module")
def composer():
    """Every concept is a full square whose three channels all hold its number."""
    pictures = []
    for number in range(len(world().concepts)):
        picture = np.full((64, 64, 4), 255, np.uint8)
        picture[..., :3] = number
        pictures.append(picture)
    return Composer(pictures)


def scenes(split, count=200, seed=0):
    rng = np.random.default_rng(seed)
    return [draw_scene(rng, split) for _ in range(count)]


@pytest.mark.parametrize("split", SPLITS)
def test_every_sentence_reads_back(split):
    for scene in scenes(split):
        assert parse(sentence(scene)) == scene
        assert split_of(scene) == split


@pytest.mark.parametrize(
    "prompt",
    ["", "a dog", "an dog", "a dog on a pink ground", "a small dog above a cat", "a dog beside a cat", "A dog"],
)
def test_only_the_language_is_read(prompt):
    if prompt == "a dog":
        assert sentence(parse(prompt)) == prompt
    else:
        with pytest.raises(ValueError, match="not a sentence"):
            parse(prompt)


def test_no_training_scene_shows_a_held_out_combination():
    rng = np.random.default_rng(1)
    for scene in scenes("train", 500):
        ground = draw_ground(rng, scene)
        assert not held_out().grounds[list(scene.concepts), ground].any()
        assert scene.second == NONE or not held_out().pairs[scene.first, scene.second]


def test_held_out_pairs_count_in_either_order():
    pairs = held_out().pairs
    assert (pairs == pairs.T).all() and not pairs.diagonal().any()
    assert 0.1 < pairs.mean() < 0.2 and 0.08 < held_out().grounds.mean() < 0.17


def test_two_emoji_stand_as_the_sentence_says(composer):
    rng = np.random.default_rng(2)
    for relation in (0, 1):
        scene = Scene(50, 100, relation, ground=0)
        for image in composer.paint([scene] * 20, rng):
            first, second = (np.argwhere((image == number).all(-1)) for number in (50, 100))
            assert len(first) and len(second)
            axis = 1 if relation == 0 else 0
            assert first[:, axis].max() < second[:, axis].min()


@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_size_in_words_is_a_size_in_pixels(composer, size):
    rng, (low, high) = np.random.default_rng(3), ALONE[size]
    for image in composer.paint([Scene(60, size=size, ground=0)] * 20, rng):
        rows, columns = np.nonzero((image == 60).all(-1))
        assert low <= np.ptp(rows) + 1 <= high and low <= np.ptp(columns) + 1 <= high


def test_painting_depends_on_the_seed_only(composer):
    drawn = scenes("train", 8)
    first, again, other = (composer.paint(drawn, np.random.default_rng(seed)) for seed in (4, 4, 5))
    assert first.shape == (8, SIDE, SIDE, 3) and first.dtype == np.uint8
    assert (first == again).all() and (first != other).any()


def test_transparent_pixels_leave_the_ground():
    clear = Composer([np.zeros((64, 64, 4), np.uint8)] * len(world().concepts))
    for image in clear.paint(scenes("train", 8), np.random.default_rng(0)):
        assert (image == image[0, 0]).all()


def test_nearly_true_is_never_true_and_the_sentence_itself_is():
    rng = np.random.default_rng(6)
    for scene in scenes("train", 500):
        shown = scene._replace(ground=draw_ground(rng, scene))
        wrong = nearly_true(shown, rng)
        assert parse(sentence(wrong)) == wrong
        assert true_pairs([shown], [scene, wrong]).tolist() == [[True, False]]


def test_sentences_fit_the_tokens_and_unknown_words_are_spelled():
    ids, mask = tokens([sentence(scene) for split in SPLITS for scene in scenes(split, 100)])
    assert ids.shape[1] == MAX_TOKENS and mask[:, -1].sum() == 0
    assert (ids != tokenizer().unk_token_id).all()
    spelled = tokenizer()("a hedgehog left of a saxophone on a purple ground")["input_ids"]
    assert tokenizer().unk_token_id not in spelled and len(spelled) <= 2 * MAX_TOKENS


def test_a_missing_or_a_wrong_archive_is_one_sentence(tmp_path):
    with pytest.raises(SystemExit, match="npm pack emoji-datasource-google"):
        load_pictures(tmp_path)
    (tmp_path / "emoji-datasource-google-16.0.0.tgz").write_bytes(b"another")
    with pytest.raises(SystemExit, match="sha256"):
        load_pictures(tmp_path)
