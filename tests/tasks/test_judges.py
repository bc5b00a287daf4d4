"""The shipped judges behind their tasks: which scores they give, and when they give none."""

import numpy as np
import pytest

from effbench import zoo
from effbench.api import PluginError, Sample
from effbench.tasks.diffusion.judging import real_set
from effbench.tasks.diffusion.prompts import load_prompts
from effbench.tasks.t2i.judges import DigitJudge, EmojiJudge, find_judge
from effbench.tasks.t2i.task import TextToImage
from effbench.tasks.t2v.judge import find_judge as find_video_judge
from effbench.tasks.t2v.judge import judge_videos
from effbench.tasks.t2v.task import TextToVideo


def images(count, side=64, channels=3, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (count, channels, side, side)).astype(np.float32)


def test_the_digit_judge_reads_real_looking_strokes():
    judge = find_judge("zoo:digits-pixart")
    assert isinstance(judge, DigitJudge) and judge.real().features.shape == (1000, 64)
    one = np.zeros((1, 1, 32, 32), np.float32)
    one[..., 6:26, 15:18] = 1.0
    samples = [Sample("a", target={"digit": 1}), Sample("b", target={"digit": 8})]
    judged = judge.judge(np.repeat(one, 2, axis=0), samples)
    assert judged.scalars["prompt_accuracy"].tolist() == [1.0, 0.0]
    assert judge.judge(one, [Sample("c", {"prompt": "x"})]).scalars == {}


def test_the_emoji_judge_ranks_its_candidates():
    judge = find_judge("zoo:emoji-judge")
    assert isinstance(judge, EmojiJudge) and judge.real().features.shape == (1000, 192)
    samples = load_prompts("emoji", "evaluation")[:4]
    judged = judge.judge(images(4), samples)
    assert set(judged.scalars) == {"alignment", "prompt_accuracy"}
    assert (np.abs(judged.scalars["alignment"]) <= 1).all()
    assert set(judged.scalars["prompt_accuracy"]) <= {0.0, 1.0}
    # The right sentence first means a higher alignment than each candidate's.
    for row, sample in enumerate(samples):
        others = [Sample("o", {"prompt": prompt}) for prompt in sample.target["candidates"]]
        alignments = [judge.judge(images(4)[[row]], [o]).scalars["alignment"][0] for o in others]
        assert (alignments[0] > max(alignments[1:])) == bool(judged.scalars["prompt_accuracy"][row])


def test_without_candidates_only_the_alignment_is_given():
    judged = find_judge("zoo:emoji-judge").judge(images(1), [Sample("x", {"prompt": "a red apple"})])
    assert set(judged.scalars) == {"alignment"}
    assert find_judge("zoo:emoji-judge").judge(images(1), [Sample("x", {"label": 3})]).scalars == {}


@pytest.mark.parametrize(
    ("name", "layers", "channels", "side"), [("zoo:digits-pixart", 3, 1, 32), ("zoo:emoji-judge", 5, 3, 64)]
)
def test_feature_maps_come_from_every_convolution(name, layers, channels, side):
    judge = find_judge(name)
    maps = judge.maps(images(2, side, channels))
    assert len(maps) == layers and all(m.dim() == 4 and m.min() < m.max() for m in maps)
    again = judge.maps(images(2, side, channels))
    assert all((a == b).all() for a, b in zip(maps, again))


def test_a_plain_ground_of_a_colour_aligns_with_that_colour():
    """Even without an emoji the net must see the ground: of two sentences that differ in it, the right one fits better."""
    from effbench.zoo.emoji_scenes.concepts import world

    judge, colours = find_judge("zoo:emoji-judge"), dict(zip(world().grounds, world().colours))
    right = 0
    for name, colour in colours.items():
        picture = np.broadcast_to(colour[:, None, None] / 255, (1, 3, 64, 64)).astype(np.float32)
        scores = {
            g: judge.judge(picture, [Sample("x", {"prompt": f"a dog on a {g} ground"})]).scalars["alignment"][0]
            for g in colours
        }
        right += max(scores, key=scores.get) == name
    assert right >= len(colours) - 2


def test_the_video_judge_gives_every_score_of_the_task():
    folder = find_video_judge("zoo:moving-emoji-judge")
    samples = load_prompts("moving-emoji", "evaluation")[:3]
    videos = np.random.default_rng(0).uniform(0, 1, (3, 8, 3, 32, 32)).astype(np.float32)
    judged = judge_videos(folder, videos, samples)
    assert set(judged.scalars) == {
        "prompt_accuracy", "object_accuracy", "direction_accuracy", "frame_alignment", "temporal_consistency",
    }  # fmt: skip
    s = judged.scalars
    assert (s["prompt_accuracy"] == s["object_accuracy"] * s["direction_accuracy"]).all()
    assert judged.features.shape == (3, real_set(folder).features.shape[1])
    still = np.repeat(videos[:, :1], 8, axis=1)
    assert judge_videos(folder, still, samples).scalars["temporal_consistency"] == pytest.approx(1.0, abs=1e-5)
    assert set(judge_videos(folder, videos, [Sample("x", {"prompt": "y"})] * 3).scalars) == {"temporal_consistency"}


def test_a_judge_of_images_is_none_of_videos_and_the_reverse():
    with pytest.raises(PluginError, match="no judge of videos"):
        find_video_judge("zoo:emoji-judge")
    with pytest.raises(PluginError, match="no judge of images"):
        find_judge("zoo:moving-emoji-judge")
    with pytest.raises(PluginError, match="makes none"):
        TextToImage(TextToImage.Params(system="zoo:emoji-judge")).check()
    assert {"zoo:emoji-judge", "zoo:moving-emoji-judge"} <= set(zoo.names())


def test_the_judges_of_a_task_decide_its_columns():
    params = TextToImage.Params(system="elsewhere", judge="zoo:emoji-judge", prompts="emoji")
    names = [m.name for m in TextToImage(params).metrics]
    assert names[:2] == ["prompt_accuracy", "alignment"]
    assert "feature_distance" in names
    assert [m.name for m in TextToVideo.metrics if m.primary] == ["prompt_accuracy"]
