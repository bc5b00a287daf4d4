"""Learned scores of hub-scale images, one file per network; each is wrapped, none is ours, and none ships its weights."""

from __future__ import annotations

from effbench.tasks.t2i.scorers.base import Scorer
from effbench.tasks.t2i.scorers.clip_score import ClipScore
from effbench.tasks.t2i.scorers.fid import Fid
from effbench.tasks.t2i.scorers.hps_v2 import HpsV2
from effbench.tasks.t2i.scorers.image_reward import ImageReward
from effbench.tasks.t2i.scorers.lpips import Lpips

SCORERS: dict[str, type[Scorer]] = {
    "clip_score": ClipScore,
    "fid": Fid,
    "lpips": Lpips,
    "image_reward": ImageReward,
    "hps_v2": HpsV2,
}
"""Name of a metric -> what wraps its network."""

__all__ = ["SCORERS", "Scorer"]
