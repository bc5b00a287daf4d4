"""The one name of a numpy array in annotations; shapes and types stand in docstrings."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
"""Of any shape and any type: mypy tells neither apart, and code that numba compiles has its types inferred."""
