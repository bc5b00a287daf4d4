"""The modules that these tests share: the systems of tests/diffusion and the pipelines of tests/tasks."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [
    str(HERE),
    str(HERE.parent / "quantization"),
    str(HERE.parent / "diffusion"),
    str(HERE.parent / "tasks"),
]
