"""``effbench compare``: two methods of a store side by side, with intervals, tests and one sentence of verdict."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from effbench.cli.stores import StoreArgument


def compare(
    store: StoreArgument,
    a: Annotated[str, typer.Argument(metavar="A", help="Id of a method in it.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="Id of the method to compare it with.", show_default=False)],
    task: Annotated[
        str | None, typer.Option(help="Task; needed where both ran on several.", show_default=False)
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Number to compare; repeatable. Default: the usual ones.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say by how much method A differs from B, how sure that is, and what it would take to decide."""
    import shutil

    import effbench.store
    from effbench.hub.stores import local_store
    from effbench.report.compare import compare as compare_methods
    from effbench.report.comparison_text import comparison_json, render_comparison
    from effbench.report.terminal import PLAIN_WIDTH

    comparison = compare_methods(effbench.store.read_store(local_store(store)), a, b, task, metric or ())
    if as_json:
        sys.stdout.write(comparison_json(comparison))
        return
    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal else PLAIN_WIDTH
    sys.stdout.write(render_comparison(comparison, width, colour=is_terminal))
