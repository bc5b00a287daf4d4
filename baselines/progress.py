"""One count of progress over the phases of a preparation, each of which counts from 0."""

from __future__ import annotations

from dataclasses import replace

from effbench.api import Context


def phase(ctx: Context, begins: float, ends: float) -> Context:
    """Return the context of a phase that takes the whole from one share of it to another.

    What moves is known by a count that rises: phases that began at 0 again would look like a standstill.
    """

    def progress(done: float, total: float, text: str = "") -> None:
        ctx.progress(begins + (ends - begins) * (done / total if total else 1.0), 1.0, text)

    return replace(ctx, progress=progress)
