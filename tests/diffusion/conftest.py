"""The modules that these tests share, and the small pipelines of tests/tasks."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tasks")]
