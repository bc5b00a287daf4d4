"""Build the wheel, install it with all its dependencies in a fresh environment, and run a suite there (minutes)."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Raise ``CalledProcessError`` where any step fails."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", work, ROOT], check=True)
        (wheel,) = work.glob("effbench-*.whl")
        subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
        binaries = work / "venv" / "bin"
        constraints = ROOT / "constraints.txt"
        subprocess.run([binaries / "python", "-m", "pip", "install", "-q", "-c", constraints, wheel], check=True)
        effbench = binaries / "effbench"
        small = ["--set", "tasks.emoji.samples={limit: 4}", "--set", "tasks.emoji.with.steps=12"]
        fast = ["--set", "measure.latency=null", "--only", "emoji/int8-dynamic"]
        suite = ROOT / "suites" / "quickstart.yaml"
        subprocess.run([effbench, "run", suite, *small, *fast], cwd=work, check=True)
        subprocess.run([effbench, "doctor"], cwd=work, check=True)


if __name__ == "__main__":
    main()
