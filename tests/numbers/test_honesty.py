"""Each honesty check on the evidence of an honest method and of one that lies in just that respect."""

import pytest

from effbench.numbers.honesty import checks_of, withdrawn
from effbench.record import Attempt, Check, Number
from effbench.storeschema import JobData, JobResult

MB = 1_000_000
DONE = Attempt(job="any", status="done", started_utc="2026-11-25T00:00:00+00:00", seconds=1.0)


def job(**data):
    return JobResult(status="done", code_version="0", attempt=DONE, data=JobData(**data))


REFERENCE = job(parameter_bytes=8 * MB, resident_at_rest=20 * MB)


def honest(**changed):
    """The jobs of an int8 method that really saved 6 of 8 MB; ``changed`` replaces what single jobs left."""
    jobs = {
        "quality": job(probe_sha256="a"),
        "latency": job(probe_sha256="a"),
        "memory": job(probe_sha256="a", parameter_bytes=2 * MB, resident_at_rest=15 * MB, live_tensor_bytes=2 * MB),
        "inspect": job(
            kernels=[["q::linear", 12]],
            kernels_missing=[],
            repeats={"pairs": 4, "first_s": 0.1, "ratio": 0.99, "p": 0.3},
        ),
    }
    for name, data in changed.items():
        jobs[name] = job(**{**jobs[name].data.known(), **data})
    return jobs


def statuses(jobs, kernels=("q::*",), reference=REFERENCE):
    return {check.name: check.status for check in checks_of(jobs, reference, kernels)}


def test_an_honest_method_passes_all_four():
    assert statuses(honest()) == dict.fromkeys(("same_object", "kernels", "resident_bytes", "repeats"), "pass")


@pytest.mark.parametrize(
    "name, lie",
    [
        ("same_object", {"latency": {"probe_sha256": "b"}}),
        ("kernels", {"inspect": {"kernels_missing": ["q::*"]}}),
        ("resident_bytes", {"memory": {"resident_at_rest": 21 * MB, "live_tensor_bytes": 9 * MB}}),
        ("repeats", {"inspect": {"repeats": {"pairs": 4, "first_s": 0.1, "ratio": 0.1, "p": 1e-4}}}),
    ],
)
def test_a_lie_fails_its_own_check_and_no_other(name, lie):
    found = statuses(honest(**lie))
    assert found.pop(name) == "fail"
    assert set(found.values()) == {"pass"}


def test_what_cannot_be_known_is_not_called_a_lie():
    assert (
        statuses(honest(inspect={"repeats": {"pairs": 0, "first_s": None, "ratio": None, "p": None}}))["repeats"]
        == "unknown"
    )
    assert (
        statuses(honest(inspect={"repeats": {"pairs": 4, "first_s": 0.1, "ratio": 0.6, "p": 0.2}}))["repeats"] == "pass"
    )
    jobs = honest()
    jobs["inspect"] = job(repeats={"pairs": 4, "first_s": 0.1, "ratio": 1.0, "p": 0.5})
    assert statuses(jobs)["kernels"] == "unknown"


def test_checks_that_do_not_apply_are_left_out():
    assert "kernels" not in statuses(honest(), kernels=())
    assert "resident_bytes" not in statuses(honest(), reference=None)
    small = honest(memory={"parameter_bytes": 8 * MB - 10})
    short = honest(inspect={"repeats": {"pairs": 4, "first_s": 1e-5, "ratio": 0.1, "p": 1e-4}})
    assert "repeats" not in statuses(short), "microseconds are the processor's caches, not a method's"
    assert "resident_bytes" not in statuses(small), "a saving below what an allocator keeps proves nothing"


def test_contradicted_numbers_are_withdrawn_and_the_others_stay():
    numbers = [
        Number(name=name, axis=axis, unit="", value=1.0, ci_low=0.9, ci_high=1.1, higher_is_better=False)
        for name, axis in (("gap", "quality"), ("latency_p50_ms", "latency"), ("parameter_mb", "memory"))
    ]
    found = withdrawn(numbers, [Check(name="resident_bytes", status="fail", message="")])
    assert [(n.value, n.reason) for n in found] == [(1.0, None), (1.0, None), (None, "unverified")]
    assert found[2].ci_low is None
    both = withdrawn(numbers, [Check(name="kernels", status="fail", message="")])
    assert [n.reason for n in both] == [None, "unverified", "unverified"]
    assert withdrawn(numbers, [Check(name="repeats", status="unknown", message="")]) == numbers


def test_a_probe_that_differs_withdraws_latency_and_memory_unless_the_task_says_that_it_is_random():
    jobs = honest(latency={"probe_sha256": "b"})
    numbers = [
        Number(name=name, axis=axis, unit="", value=1.0, higher_is_better=False)
        for name, axis in (("gap", "quality"), ("latency_p50_ms", "latency"), ("parameter_mb", "memory"))
    ]
    assert [n.reason for n in withdrawn(numbers, checks_of(jobs, None, ()))] == [None, "unverified", "unverified"]
    said = checks_of(jobs, None, (), deterministic=False)
    assert [check.status for check in said if check.name == "same_object"] == ["unknown"]
    assert withdrawn(numbers, said) == numbers
