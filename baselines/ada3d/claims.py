"""What is published of Ada3D (Zhao et al., ICCV 2023): KITTI's and nuScenes' real data, none of which is here.

Rows were read from tables shown on the project's page and poster; where two of its own sources differ, both stand here. KITTI
rows are validation, moderate; the page does not say whether AP is over 11 or 40 recalls.
"""

from __future__ import annotations

from typing import NamedTuple

from effbench.api import Claim

PAGE = "Ada3D project page (github.com/A-suozhang/ada3d.github.io), ablation table"
POSTER = "Ada3D poster (ICCV 2023)"
ABSTRACT = "Ada3D abstract (arXiv 2307.08209)"
OTHER_DATA = "KITTI's and nuScenes' data are not here; the embedded frames are generated"
GPU = {"device_class": "cuda"}
"""What a speed-up on a graphics card holds for."""


class PublishedRow(NamedTuple):
    """One model on KITTI validation: share of FLOPs left in 3D and 2D, mean AP, and AP of car, pedestrian, cyclist."""

    model: str
    flops_3d: float
    flops_2d: float
    mean_ap: float
    car: float
    pedestrian: float
    cyclist: float


KITTI = (
    PublishedRow("CenterPoint", 1.0, 1.0, 66.1, 79.4, 53.4, 65.5),
    PublishedRow("CenterPoint with SP-BN", 1.0, 0.49, 66.0, 79.1, 53.3, 65.6),
    PublishedRow("Ada3D-A", 1.0, 0.22, 66.4, 79.5, 53.6, 66.1),
    PublishedRow("Ada3D-B", 0.66, 0.18, 66.1, 79.1, 54.0, 65.3),
    PublishedRow("Ada3D-B without density guidance", 0.64, 0.18, 65.1, 78.8, 51.6, 64.9),
    PublishedRow("Ada3D-C", 0.39, 0.08, 65.4, 77.6, 53.5, 65.1),
)
"""Read from the project page's table."""


def claims() -> tuple[Claim, ...]:
    """Return the ledger, in the order of the sources."""
    rows = [
        claim
        for row in KITTI
        for claim in (
            Claim(
                "mean AP, moderate", row.mean_ap, "%", f"KITTI validation, {row.model}", PAGE, not_comparable=OTHER_DATA
            ),
            Claim("car AP, moderate", row.car, "%", f"KITTI validation, {row.model}", PAGE, not_comparable=OTHER_DATA),
            Claim("2D FLOPs", row.flops_2d, "of dense", f"KITTI validation, {row.model}", PAGE, not_comparable=COUNTED),
        )
    ]
    overall = [
        Claim("FLOPs, 2D and 3D", 5.26, "x less", "KITTI validation, Ada3D-B", PAGE, not_comparable=COUNTED),
        Claim("FLOPs, 2D and 3D", 9.83, "x less", "KITTI validation, Ada3D-C", PAGE, not_comparable=COUNTED),
        Claim(
            "FLOPs, 2D and 3D",
            1.19,
            "x less",
            "nuScenes validation, on VoxelNeXt (fully sparse)",
            POSTER,
            not_comparable=OTHER_DATA,
        ),
        Claim(
            "nuScenes score",
            65.84,
            "",
            "nuScenes validation, on VoxelNeXt; 66.60 without",
            POSTER,
            not_comparable=OTHER_DATA,
        ),
        Claim("speedup", 1.36, "x", "Ada3D-B, RTX 3090", PAGE, holds_for={**GPU, "variant": "B"}),
        Claim("speedup", 1.38, "x", "Ada3D-B, RTX 3090", POSTER, holds_for={**GPU, "variant": "B"}),
        Claim("speedup of the 3D backbone", 1.52, "x", "RTX 3090", ABSTRACT, holds_for=GPU),
        Claim("speedup of the 2D backbone", 1.45, "x", "RTX 3090", ABSTRACT, holds_for=GPU),
    ]
    return (*rows, *overall)


COUNTED = (
    "counted on one KITTI frame, with the baseline's kernel maps, without predictor and index work; "
    "`macs_2d`, `macs_3d` and `macs_predictor` are ours"
)
