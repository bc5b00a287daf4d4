"""Puts the source of the toy package on the path, so that its parts can be tested one by one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "plugin_package"))
