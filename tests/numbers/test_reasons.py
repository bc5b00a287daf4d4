"""Why a number is missing: the reason that is true, also where the machine is to blame (case ``wrong-reason-for-null``)."""

from effbench.numbers.resources import compute_numbers, memory_numbers
from effbench.readings import Calibration

SEEN = {"flops_by_dtype": {"float32": 10**9}, "bytes_moved": 10**8, "least_bytes": 10**8}
PEAKS = Calibration(2, "0", {"float32": 100.0}, 20.0)


def reasons(*arguments):
    return {n.name: n.reason for n in compute_numbers(*arguments)}


def test_the_roofline_share_says_what_is_missing():
    assert reasons(SEEN, None, 0.1, "error", PEAKS, "error")["roofline_share"] is None
    assert reasons(SEEN, None, 0.1, "error", None, "noisy_machine")["roofline_share"] == "noisy_machine"
    assert reasons(SEEN, None, 0.1, "error", None, "timeout")["roofline_share"] == "timeout"
    assert reasons(SEEN, None, None, "simulated", None, "noisy_machine")["roofline_share"] == "simulated"


def test_what_was_asked_for_and_never_came_is_an_error():
    assert set(reasons(None, None, None, "error", None, "error").values()) == {"error"}
    assert {n.reason for n in memory_numbers(None, None, "cpu")} == {"error"}
    assert set(reasons({}, None, 0.1, "error", None, "unsupported").values()) == {"unsupported"}  # no torch in the task
