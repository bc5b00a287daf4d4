"""Whether this machine has room for a molecule's integrals; asked before any of them is read or computed."""

from __future__ import annotations

import psutil

COPIES = 3
"""Arrays of n^4 doubles that are held at once while a solver prepares."""


def lacks_room(orbitals: int) -> str:
    """Return in a sentence's part why the integrals of so many orbitals do not fit, or nothing where they do."""
    needed, free = COPIES * 8 * orbitals**4, psutil.virtual_memory().available
    if needed <= free:
        return ""
    return f"its integrals need about {needed / 1e9:,.0f} GB, and {free / 1e9:,.0f} GB are free"
