"""Where the Triton kernels cannot run, their tests are left out with a reason, and who asks for one is told."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules["triton"] = None
import effbench.kernels.linear_w8a8
try:
    import effbench.kernels.linear_w8a8.gpu
except ImportError as error:
    print(error)
"""


def test_the_kernels_are_tested_here(why_not):
    if why_not:
        pytest.skip(why_not)


def test_who_lacks_triton_is_told_in_one_sentence_and_nobody_else_needs_it():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the GPU kernels need Triton, and it is not installed: pip install 'effbench[gpu]'\n"
