from __future__ import annotations

from typing import Any

import pytest

from effbench.report.compare import Comparison, ComparisonRow
from effbench.report.verdict import verdict

SAME, BETTER, WORSE = (0.0, -0.03, 0.03, 0.9), (0.1, 0.05, 0.15, 0.001), (-0.1, -0.15, -0.05, 0.001)
LIKE, FASTER, SLOWER = (1.02, 0.9, 1.15, 0.6), (0.5, 0.4, 0.6, 0.001), (1.12, 1.02, 1.25, 0.01)


def quality(value: float | None, low: Any = None, high: Any = None, p: Any = None, **rest: Any) -> ComparisonRow:
    given = {"number": "clip_score", "primary": True, "higher_is_better": True, "n_needed": 320, "n": 40} | rest
    return ComparisonRow(
        axis="quality",
        unit="",
        kind="difference",
        value=value,
        ci_low=low,
        ci_high=high,
        p_holm=p,
        units="samples",
        **given,
    )


def speed(value: float | None, low: Any = None, high: Any = None, p: Any = None, **rest: Any) -> ComparisonRow:
    given = {"number": "latency_p50_ms", "primary": True, "n_needed": 12, "n": 3} | rest
    return ComparisonRow(
        axis="latency", unit="ms", higher_is_better=False, kind="ratio", value=value, ci_low=low, ci_high=high, p_holm=p,
        units="rounds", **given,
    )  # fmt: skip


def memory(value: float, number: str = "parameter_mb") -> ComparisonRow:
    return ComparisonRow(
        number, "memory", "MB", False, number != "parameter_mb", "ratio", value=value, how="bare ratio"
    )


def said(make: Any, *rows: ComparisonRow) -> str:
    a, b = make.cell("a", order=1), make.cell("b")
    return verdict(Comparison("quick", "t2i", a, b, 0.95, rows))


def test_the_sentence_of_the_issue(make: Any) -> None:
    assert said(make, quality(*SAME, n_needed=None), speed(*SLOWER)) == (
        "a is not distinguishable from b in CLIP score (difference 0.000 [-0.030, 0.030]) and is slower by "
        "1.12x [1.02, 1.25]: there is no reason to prefer it."
    )


@pytest.mark.parametrize(
    ("on_quality", "on_speed", "advice"),
    [
        (BETTER, FASTER, "prefer it for quality and speed."),
        (BETTER, LIKE, "prefer it for quality; about 12 rounds (now 3) would decide on speed."),
        (BETTER, SLOWER, "it trades speed for quality."),
        (
            SAME,
            FASTER,
            "prefer it for speed, unless a loss of 0.03 in CLIP score matters, which 40 samples do not rule out; "
            "about 320 samples (now 40) would decide on CLIP score.",
        ),
        (
            SAME,
            LIKE,
            "nothing here tells a and b apart; about 320 samples (now 40) would decide on CLIP score; "
            "about 12 rounds (now 3) would decide on speed.",
        ),
        (SAME, SLOWER, "there is no reason to prefer it; about 320 samples (now 40) would decide on CLIP score."),
        (WORSE, FASTER, "it trades quality for speed."),
        (WORSE, LIKE, "there is no reason to prefer it; about 12 rounds (now 3) would decide on speed."),
        (WORSE, SLOWER, "there is no reason to prefer it."),
    ],
)
def test_advice_follows_from_quality_and_speed(make: Any, on_quality: Any, on_speed: Any, advice: str) -> None:
    assert said(make, quality(*on_quality), speed(*on_speed)).endswith(f": {advice}")


def test_speed_is_said_as_a_factor_above_one(make: Any) -> None:
    assert "is faster by 2.0x [1.7, 2.5]" in said(make, quality(*SAME), speed(*FASTER))
    assert "not distinguishable in speed (slower by 1.02x [0.90, 1.15])" in said(make, quality(*SAME), speed(*LIKE))


def test_memory_counts_beyond_its_tolerance_only(make: Any) -> None:
    like = quality(*SAME, n_needed=None), speed(*LIKE, n_needed=None)
    assert said(make, *like, memory(0.43)).endswith(
        "and takes 0.43x the parameter memory: prefer it for parameter memory, unless a loss of 0.03 in CLIP score "
        "matters, which 40 samples do not rule out."
    )
    assert "trades parameter memory for speed" in said(make, quality(*SAME), speed(*FASTER), memory(2.3))
    assert said(make, *like, memory(1.005)).endswith("nothing here tells a and b apart.")
    assert said(make, *like, memory(1.2, "peak_rss_growth_mb")).endswith("nothing here tells a and b apart.")
    assert "takes 1.4x the peak RSS growth" in said(make, *like, memory(1.4, "peak_rss_growth_mb"))


def test_other_qualities_count_where_they_are_decided(make: Any) -> None:
    others = [
        quality(*WORSE, number="psnr_db", primary=False),
        quality(*WORSE, number="ssim", primary=False),
        quality(*SAME, number="fid", primary=False),
    ]
    text = said(make, quality(*SAME, n_needed=None), *others, speed(*FASTER))
    assert "is worse in PSNR db and SSIM" in text
    assert text.endswith("it trades PSNR db and SSIM for speed.")


def test_a_p_that_holm_does_not_keep_is_undecided_although_the_interval_is_off_zero(make: Any) -> None:
    text = said(make, quality(0.1, 0.02, 0.18, 0.12), speed(*LIKE))
    assert "not distinguishable from b in CLIP score (difference 0.10 [0.02, 0.18])" in text


def test_lower_is_better_turns_the_words_round(make: Any) -> None:
    text = said(make, quality(*WORSE, higher_is_better=False), speed(*LIKE))
    assert "is better than b in CLIP score (difference -0.10" in text
    loss = said(make, quality(0.0, -0.05, 0.02, 0.9, higher_is_better=False), speed(*FASTER))
    assert "unless a loss of 0.02" in loss


def test_what_is_not_known_is_said(make: Any) -> None:
    no_speed = speed(None, reason="a: simulated")
    assert said(make, quality(*WORSE), no_speed).endswith(
        "it pays in quality, and what it wins is not known, since its speed could not be compared."
    )
    text = said(make, quality(None, reason="a: oom"), speed(*FASTER))
    assert "cannot be compared with b in CLIP score (a: oom)" in text
    assert text.endswith("it wins in speed, at an unknown price in quality.")
    assert said(make, speed(*FASTER)).endswith("it wins in speed, and its quality was not compared.")
    few = speed(1.5, reason="1 shared round, 3 give an interval", n_needed=None)
    assert "seems slower by 1.500x, without an interval (1 shared round" in said(make, quality(*SAME), few)
    assert "None of the numbers asked for" in said(make, memory(1.0))
