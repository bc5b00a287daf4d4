"""Held-out tau against size, a panel per metric: every selector beside random subsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from effbench.subset.judgement import Judgement
from effbench.subset.random_curve import RandomCurve

MARKS = "osD^v<>"


def write_picture(
    path: Path, found: Mapping[tuple[str, int], Sequence[Judgement]], random: Mapping[str, RandomCurve]
) -> None:
    """Write an SVG; the same numbers give the same bytes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for name, _ in found))
    with rc_context({"svg.hashsalt": "effbench", "font.size": 9}):
        figure = Figure(figsize=(9.5, 6.4), layout="constrained")
        FigureCanvasSVG(figure)
        for place, axes in enumerate(figure.subplots(2, 2, sharex=True).ravel()):
            metric = next(iter(found.values()))[place].metric
            curve = random[metric]
            axes.plot(curve.sizes[:-1], curve.taus[:-1], color="0.55", label="random (mean of 200)")
            for name, mark in zip(names, MARKS):
                sizes = [size for other, size in found if other == name]
                axes.plot(sizes, [found[name, size][place].tau for size in sizes], marker=mark, ms=4, lw=1, label=name)
            axes.set(title=metric, xscale="log", xlabel="prompts", ylabel="held-out Kendall tau", ylim=(0.3, 1))
            axes.grid(alpha=0.3)
        figure.axes[0].legend(fontsize=8)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
