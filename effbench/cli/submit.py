"""``effbench submit``: a method's results with what they are made from, as a folder to send in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from effbench.cli.saying import tell
from effbench.cli.stores import StoreArgument


def submit(
    store: StoreArgument,
    method: Annotated[str, typer.Option(help="Id of the method in it.", show_default=False)],
    licence: Annotated[
        str, typer.Option(help="Licence that the results may be used under, such as CC-BY-4.0.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; default: submissions/METHOD.", show_default=False)
    ] = None,
    by: Annotated[
        str, typer.Option(help="Who sends it in, by the name that the board's host knows.", show_default=False)
    ] = "",
    source: Annotated[str, typer.Option(help="Where the method's code can be had.", show_default=False)] = "",
    notes: Annotated[str, typer.Option(help="What a reader should know.", show_default=False)] = "",
    task: Annotated[
        list[str] | None, typer.Option(help="Task of the suite; repeatable. Default: all.", show_default=False)
    ] = None,
    outputs_mb: Annotated[float, typer.Option(min=0, help="Outputs of a cell that are packed, at most.")] = 50.0,
) -> int:
    """Pack a method's records, raw parts and outputs, with its references beside it, and check what was packed."""
    import effbench.store
    from effbench.cli.verify import show_outcomes
    from effbench.hub.names import refuse_hub
    from effbench.hub.stores import local_store
    from effbench.submission.packing import folder_name, pack, summary_of
    from effbench.submission.verifying import verify

    folder = out or Path("submissions") / folder_name(method)
    refuse_hub(folder, "name a folder with --out")
    manifest = pack(
        effbench.store.read_store(local_store(store)), method, folder,
        licence=licence, by=by, source=source, notes=notes, outputs_mb=outputs_mb, tasks=task,
    )  # fmt: skip
    code = show_outcomes(verify(folder, "recompute"))
    tell(summary_of(manifest, folder))
    return code
