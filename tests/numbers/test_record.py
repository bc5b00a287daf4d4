"""A record from hand-made parts: what is complete, what failed, and what of several trainings stands in it."""

import numpy as np
import pytest

from effbench.api import Metric, Scores
from effbench.numbers.parts import CellParts, Rows
from effbench.numbers.record import make_record
from effbench.record import Attempt, Provenance
from effbench.storeschema import JobData, JobResult, Summarised

SCORE = Metric("score", "", higher_is_better=True, primary=True)
PROVENANCE = Provenance(
    effbench_version="0", git_commit=None, git_dirty=None, code_version="0", origins={}, packages={}, python="3",
    machine="m", device="cpu", command="",
)  # fmt: skip


def failed(name, reason):
    attempt = Attempt(job=name, status="failed", reason=reason, message="", started_utc="", seconds=1.0)
    return JobResult(status="failed", code_version="0", attempt=attempt, data=JobData())


@pytest.fixture
def parts(make_job):
    def make(preparations=(), **jobs):
        ids = tuple("abcdefgh")
        rows = Rows(Scores({"score": np.arange(8.0)}), ids, ids, (0,) * 8)
        summary = make_job(summary=Summarised(values={"score": 3.5}))
        every = dict.fromkeys(("prepare", "quality", "summary", "inspect", "memory", "energy", "latency"))
        every |= {"quality": make_job(probe_sha256="a", model_s=1.0), "summary": summary, **jobs}
        return CellParts(every, tuple(preparations), None, rows, None, (), frozenset({""}))

    return make


def record(setting, parts):
    return make_record(setting, parts, PROVENANCE, "2026-11-28T00:00:00+00:00")


def number(found, name):
    return next(n for n in found.numbers if n.name == name)


def test_a_whole_cell_is_complete(make_setting, parts):
    found = record(make_setting([SCORE], "abcdefgh"), parts())
    assert found.status == "complete" and number(found, "score").value == 3.5
    assert (found.n_samples, found.n_groups, number(found, "latency_p50_ms").reason) == (8, 8, "not_requested")
    assert found.verified_by == "self-reported"


def test_preparation_is_the_mean_over_trainings_and_their_artifacts_have_one_hash(make_setting, make_job, parts):
    jobs = [make_job(seconds=s, artifact_sha256=name * 64) for s, name in ((1.0, "a"), (3.0, "b"))]
    setting = make_setting([SCORE], "abcdefgh", prepares=True, trainings=(0, 1))
    found = record(setting, parts(jobs))
    assert (number(found, "preparation_s").value, number(found, "preparation_s").n) == (2.0, 2)
    other = record(setting, parts(jobs[::-1]))
    assert len(found.artifact_sha256) == 64 and found.artifact_sha256 != other.artifact_sha256
    one = record(make_setting([SCORE], "abcdefgh", prepares=True), parts(jobs[:1]))
    assert one.artifact_sha256 == "a" * 64


def test_a_preparation_that_failed_leaves_every_number_with_its_reason(make_setting, make_job, parts):
    setting = make_setting([SCORE], "abcdefgh", prepares=True, trainings=(0, 1), memory=True)
    found = record(setting, parts([make_job(seconds=1.0, artifact_sha256="a"), failed("prepare-s1", "oom")]))
    assert found.status == "failed"
    assert {number(found, name).reason for name in ("score", "peak_rss_mb", "preparation_s")} == {"oom"}


def test_only_what_ran_took_no_time_to_prepare(make_setting, make_job, parts):
    """A cell that failed stood in the table with 0 s of preparation, the best of all."""
    idle = make_setting([SCORE], "abcdefgh")
    assert number(record(idle, parts()), "preparation_s").value == 0
    broken = number(record(idle, parts(quality=failed("quality", "oom"))), "preparation_s")
    assert (broken.value, broken.reason) == (None, "oom")
    prepared = make_setting([SCORE], "abcdefgh", prepares=True)
    jobs = parts([make_job(seconds=2.0, artifact_sha256="a" * 64)], quality=failed("quality", "oom"))
    assert number(record(prepared, jobs), "preparation_s").value == 2.0, "what was measured stays"


def test_a_summary_that_failed_costs_the_quality_alone(make_setting, make_job, parts):
    memory = make_job(peak_rss=9_000_000, peak_rss_growth=1, hwm_reset=True)
    found = record(
        make_setting([SCORE], "abcdefgh", memory=True), parts(summary=failed("summary", "error"), memory=memory)
    )
    assert (found.status, number(found, "score").reason) == ("failed", "error")
    assert number(found, "peak_rss_mb").value == 9.0


def test_kernels_that_recorded_themselves_stand_in_the_record_and_facts_are_computed(make_setting, make_job, parts):
    seen = make_job(kernels=[("aten::mm", 3), ("local_energy/slater", 1)], kernels_missing=[])
    quality = make_job(probe_sha256="a", model_s=1.0, facts={"mean_bits": (4.2, "bit", False)})
    found = record(make_setting([SCORE], "abcdefgh", inspect=True), parts(inspect=seen, quality=quality))
    assert found.kernels == ("local_energy/slater",)
    assert (number(found, "mean_bits").value, number(found, "mean_bits").ci_method) == (4.2, "computed")


def test_what_was_spent_before_preparing_is_added_where_the_preparation_is_known(make_setting, make_job, parts):
    told = {
        "facts": {"labelling": (40.0, "s", False), "search": (2.0, "s", False), "kept": (9.0, "s", False)},
        "fact_trainings": {"labelling": 2, "search": 2, "kept": 2},
        "facts_before_preparing": ["labelling", "search"],
    }
    quality = make_job(probe_sha256="a", model_s=1.0, **told)
    setting = make_setting([SCORE], "abcdefgh", prepares=True, trainings=(0, 1))
    jobs = [make_job(seconds=s, artifact_sha256=name * 64) for s, name in ((1.0, "a"), (3.0, "b"))]
    found = record(setting, parts(jobs, quality=quality))
    assert (number(found, "preparation_whole_s").value, number(found, "preparation_whole_s").n) == (44.0, 2)
    assert number(found, "labelling").n == 2
    oom = record(setting, parts([jobs[0], failed("prepare-s1", "oom")], quality=quality))
    assert not [one for one in oom.numbers if one.name in ("preparation_whole_s", "labelling")]
    older = record(setting, parts(jobs, quality=make_job(probe_sha256="a", model_s=1.0, facts=told["facts"])))
    assert not [one for one in older.numbers if one.name == "preparation_whole_s"]
    assert number(older, "labelling").n == 1
    hostile = {**told, "facts_before_preparing": ["gone"]}
    for facts in (hostile, {**told, "facts": {"labelling": (1.7e308, "s", False), "search": (1.7e308, "s", False)}}):
        odd = record(setting, parts(jobs, quality=make_job(probe_sha256="a", model_s=1.0, **facts)))
        assert not [one for one in odd.numbers if one.name == "preparation_whole_s"]
