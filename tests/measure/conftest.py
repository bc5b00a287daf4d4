"""The modules that these tests share, and the tiny systems of tests/baselines."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("baselines", "diffusion", "tasks"))]
