"""What a killed worker leaves behind must not end a run with a warning."""

import subprocess
import sys

import pytest

SCRIPT = """
import multiprocessing, os, signal
from effbench.tasks.diffusion.bars import keep_bars_to_ourselves

def draw(ours):
    from tqdm import tqdm
    if ours:
        keep_bars_to_ourselves()
    with tqdm(range(3), disable=True):
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    process = multiprocessing.get_context("forkserver").Process(target=draw, args=({ours},))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
"""


@pytest.mark.parametrize("ours", [True, False])
def test_a_killed_worker_leaks_no_semaphore_of_a_progress_bar(ours, tmp_path):
    """The second half shows that the first can fail: it is tqdm's own lock that the warning was about."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("{ours}", str(ours)))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert ("leaked semaphore" in done.stderr) is not ours
