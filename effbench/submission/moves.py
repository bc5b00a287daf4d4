"""How far a score may move when it is made again, and still be the same one."""

from __future__ import annotations

from typing import Any

import numpy as np

SPREAD = 0.01
"""Of the standard deviation over samples: how far a score may move when another processor rounds otherwise. Were all to
move so far to one side, a mean over a hundred samples would move by a tenth of its standard error."""
ROUNDING = 1e-5
"""Of the largest score, where scores hardly differ over samples: float32 is good to 1e-7, and judges sum thousands."""
FLIPPED = 0.01
"""Share of rows that may move further: where a judge decides between two classes, a last bit may decide."""


def moved_scores(name: str, said: Any, found: Any, what: str = "scores") -> tuple[str, float]:
    """Return (a sentence where scores are not those that were found, else ""; the largest move relative to their spread).

    ``said`` and ``found`` are float64 [n], NaN where undefined; ``what`` is what a reader calls them.
    """
    known = np.isfinite(said) | np.isfinite(found)
    both = np.isfinite(said) & np.isfinite(found)
    if not known.any():
        return "", 0.0
    spread = float(np.std(found[both])) if both.any() else 0.0
    largest = float(np.abs(found[both]).max()) if both.any() else 0.0
    apart = np.where(both, np.abs(said - found), np.inf)[known]
    beyond = int((apart > max(SPREAD * spread, ROUNDING * largest)).sum())
    seen = apart[np.isfinite(apart)]
    worst = float(seen.max() / spread) if len(seen) and spread else 0.0
    if beyond <= FLIPPED * int(known.sum()):
        return "", worst
    place = np.flatnonzero(known)[int(np.argmax(apart))]
    differ = (
        f"{beyond} of {int(known.sum())} {what} differ, one is {said[place]:.6g} and comes out as {found[place]:.6g}"
    )
    return f"{name}: {differ}", worst
