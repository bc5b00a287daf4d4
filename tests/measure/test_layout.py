"""What every timing process starts with: freed memory is kept, so that calls do without page faults, and addresses differ."""

import resource
import subprocess
import sys

import pytest

from effbench.measure.layout import BLOCKS, settled_memory

COUNT_FAULTS = """
import resource, sys
if sys.argv[1] == "settled":
    from effbench.measure.layout import settled_memory
    held = settled_memory()
pages = 256
for _ in range(3):
    bytearray(b"x") * (pages * 4096)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    first, second = bytearray(b"x") * (pages * 4096), bytearray(b"x") * (2 * pages * 4096)
    del first, second
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20)
"""


def faults_per_call(state):
    """Return the page faults of one use and release of 3 MB."""
    command = [sys.executable, "-c", COUNT_FAULTS, state]
    environment = (
        {"MALLOC_MMAP_THRESHOLD_": "131072"} if state == "young" else {}
    )  # naming it keeps glibc from learning
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="how the allocator returns memory is glibc's")
def test_a_settled_process_reuses_what_it_freed():
    assert resource.getpagesize() == 4096
    assert faults_per_call("young") > 500
    assert faults_per_call("settled") < 50


def test_sizes_differ_from_process_to_process(monkeypatch):
    monkeypatch.setattr("effbench.measure.layout.GLIBC_LARGEST_BYTES", 2**17)  # leave this process's allocator as it is
    one, other = settled_memory(), settled_memory()
    assert len(one) == len(other) == BLOCKS
    assert [len(block) for block in one] != [len(block) for block in other]
