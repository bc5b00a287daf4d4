"""Block matching on videos with a known motion, and the two numbers made from it."""

import numpy as np
import pytest

from effbench.tasks.diffusion.fidelity import fidelity, layer_distance
from effbench.tasks.t2v.motion import flow, motion_of


def moving(step=(0, 1), frames=4, noise=0.0, side=24, seed=0):
    """Return a video [F, 3, S, S]: a textured square that moves over a plain ground."""
    rng = np.random.default_rng(seed)
    patch = rng.uniform(0, 1, (3, 8, 8)).astype(np.float32)
    video = np.full((frames, 3, side, side), 0.5, np.float32)
    for i, frame in enumerate(video):
        top, left = 8 + step[0] * i, 6 + step[1] * i
        frame[:, top : top + 8, left : left + 8] = patch
    return video + noise * rng.standard_normal(video.shape).astype(np.float32)


@pytest.mark.parametrize("step", [(0, 1), (2, 0), (-1, 2), (0, -3)])
def test_flow_is_the_motion_inside_and_nothing_outside(step):
    before, after = moving(step, frames=2)
    found = flow(before[None], after[None])[0]  # [2, H, W]
    inside = found[:, 10:14, 8:12].reshape(2, -1)
    assert (inside == np.array(step)[:, None]).all()
    assert (found[:, :3, -3:] == 0).all()


def test_a_rigid_motion_has_no_warping_error_and_no_flicker():
    warping, flicker = motion_of(moving((0, 1))[None])
    assert warping[0] < 2e-3
    assert flicker[0] < 5e-3


def test_flicker_of_known_size_is_found():
    video = np.full((1, 6, 3, 16, 16), 0.5, np.float32)
    video[:, ::2] += 0.04
    warping, flicker = motion_of(video)
    assert flicker[0] == pytest.approx(0.04, rel=1e-3)
    assert warping[0] == pytest.approx(0.04**2, rel=1e-3)


def test_noise_raises_both():
    clean, noisy = motion_of(moving((0, 1))[None]), motion_of(moving((0, 1), noise=0.1)[None])
    assert noisy.warping_error[0] > 5 * clean.warping_error[0]


def test_fidelity_of_a_video_counts_all_frames():
    rng = np.random.default_rng(0)
    theirs = rng.uniform(0.2, 0.8, (2, 3, 3, 16, 16)).astype(np.float32)
    ours = theirs.copy()
    ours[1, 0] += 0.1  # one frame of three
    outputs, reference = ([{"video": v, "latent": v[0]} for v in videos] for videos in (ours, theirs))
    found = fidelity(ours, outputs, reference, "video")
    assert found["psnr_db"].tolist() == [100.0, pytest.approx(-10 * np.log10(0.01 / 3), abs=1e-3)]
    assert found["ssim"][0] == pytest.approx(1.0) and found["ssim"][1] < 1
    assert found["latent_error"][0] == 0


def test_layer_distance_is_the_formula():
    import torch

    a, b = torch.randn(2, 5, 3, 3), torch.randn(2, 5, 3, 3)
    unit = [x / x.norm(dim=1, keepdim=True) for x in (a, b)]
    expected = (unit[0] - unit[1]).square().sum(1).mean((1, 2)).numpy()
    np.testing.assert_allclose(layer_distance([a, a], [b, b]), expected, rtol=1e-5)
    assert layer_distance([a], [a]).tolist() == [0, 0]


def test_large_frames_are_averaged_down_by_a_whole_factor():
    small = moving((0, 1), frames=3, side=60)
    large = np.kron(small, np.ones((1, 1, 2, 2), np.float32))  # 120 pixels a side
    few, many = motion_of(small[None]), motion_of(large[None])
    np.testing.assert_allclose(many.warping_error, few.warping_error, rtol=1e-4)
    np.testing.assert_allclose(many.flicker, few.flicker, rtol=1e-4)


def test_a_mean_is_over_the_samples_where_a_score_is_defined():
    from effbench.api import Scores
    from effbench.tasks.t2v.task import TextToVideo

    task = TextToVideo(TextToVideo.Params(system="elsewhere"))
    scores = Scores({"flicker": np.array([1.0, np.nan, 3.0]), "psnr_db": np.full(3, np.nan)})
    assert task.summariser(scores)(np.array([1.0, 5.0, 3.0])) == {"flicker": 2.5}
    assert task.summariser(scores)(np.array([0.0, 1.0, 0.0])) == {}
