from __future__ import annotations

from typing import Any

import pytest

from effbench.record import Check, Noise
from effbench.report.formats import render
from effbench.report.summarise import summarise
from effbench.report.tables import table_of
from effbench.report.trust import badge_of, check_notes, noise_lines

PASS = Check(name="same_object", status="pass", message="same output")
UNKNOWN = Check(name="repeats", status="unknown", message="only 2 fresh samples to try")
FAIL = Check(name="kernels", status="fail", message="claims to run int8::*, which did not run")


@pytest.mark.parametrize(
    ("given", "badge"),
    [
        ({"checks": (PASS,)}, "real (checks passed)"),
        ({"checks": (PASS, UNKNOWN)}, "real (checked in part)"),
        ({"checks": (UNKNOWN, FAIL)}, "real (a check failed)"),
        ({"checks": ()}, "real (not checked)"),
        ({"checks": (PASS,), "execution": "simulated"}, "simulated"),
    ],
)
def test_badges(make: Any, given: dict[str, Any], badge: str) -> None:
    assert badge_of(make.cell("a", **given)) == badge


def test_a_failed_cell_keeps_its_badge_and_its_reason(make: Any) -> None:
    assert badge_of(make.failed("a")) == "failed"
    (row,) = table_of(summarise(make.view(make.failed("a"))).workloads[0]).rows
    assert row.badge == "failed (oom)"


def test_checks_that_did_not_pass_are_notes_under_the_table(make: Any) -> None:
    cells = make.cell("ref", checks=(PASS, UNKNOWN)), make.cell("a", order=1, checks=(FAIL, UNKNOWN))
    assert check_notes(cells) == [
        "check of ref, a: a repeated input is not faster: no evidence (only 2 fresh samples to try)",
        "check of a: the kernels it names ran: FAILED (claims to run int8::*, which did not run)",
    ]
    assert "FAILED (claims to run int8" in render(summarise(make.view(*cells)), "md")


def test_an_unverified_number_says_so(make: Any) -> None:
    numbers = [make.number("clip_score", 0.3), make.number("latency_p50_ms", None, reason="unverified")]
    other = make.cell("a", [make.number("clip_score", 0.3), make.number("latency_p50_ms", 1.0)], 1)
    assert "n/a (unverified)" in render(summarise(make.view(make.cell("ref", numbers), other)), "table")


def test_noise_is_said_once_per_grade_with_its_worst(make: Any) -> None:
    quiet, busy = Noise(grade="B", foreign_share=0.021, clock_spread=0.001), Noise(grade="B", foreign_share=0.043)
    cells = [make.cell("ref", noise=quiet), make.cell("a", order=1, noise=busy), make.cell("b", order=2)]
    assert noise_lines(cells) == ["Machine noise: B (foreign load 4.3 %)."]
    loud = Noise(grade="C", foreign_share=0.2, steal_share=0.06, throttled=True)
    assert noise_lines([*cells, make.cell("c", order=3, noise=loud)]) == [
        "Machine noise for ref, a: B (foreign load 4.3 %).",
        "Machine noise for c: C (foreign load 20 %, stolen time 6 %, throttled).",
    ]
    assert "Machine noise: B" in " ".join(table_of(summarise(make.view(*cells)).workloads[0]).caption)
    assert noise_lines([make.cell("ref")]) == []


@pytest.mark.parametrize("flag", ["noisy_machine", "crosscheck_differs"])
def test_new_flags_are_footnotes_in_words(make: Any, flag: str) -> None:
    numbers = [make.number("clip_score", 0.3, 0.2, 0.4), make.number("latency_p50_ms", 12.0, 11.0, 13.0, flags=(flag,))]
    (footnote,) = table_of(summarise(make.view(make.cell("ref", numbers))).workloads[0]).footnotes
    assert footnote[0] == "a"
    assert len(footnote[1].split()) > 5
