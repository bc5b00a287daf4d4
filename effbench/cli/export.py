"""``effbench export``: a store's results for other tools; nothing is measured again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from effbench.cli.stores import StoreArgument
from effbench.errors import BadInput

if TYPE_CHECKING:
    from effbench.store import StoreView

Target = Literal["model-card", "mlflow"]


def export(
    store: StoreArgument,
    to: Annotated[
        Target, typer.Option(help="A Markdown card for the hub, or runs in MLflow's tracking.", show_default=False)
    ],
    method: Annotated[
        list[str] | None, typer.Option(help="Method by its id; a card is of one, runs of all.", show_default=False)
    ] = None,
    task: Annotated[str | None, typer.Option(help="Task; default: all it ran on.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the card; default: standard output.", show_default=False)
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the model on the card; default: the method's.", show_default=False)
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(help="Where MLflow keeps runs, such as sqlite:///runs.db; default: its own.", show_default=False),
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(help="MLflow's experiment; default: the suite's name.", show_default=False)
    ] = None,
) -> None:
    """Hand a store's results to the hub's model cards, or to MLflow."""
    import effbench.store
    from effbench.hub.stores import local_store

    foreign: dict[str, str | Path | None]
    if to == "model-card":
        foreign = {"--tracking-uri": tracking_uri, "--experiment": experiment}
    else:
        foreign = {"--out": out, "--name": name}
    for option, given in foreign.items():
        if given is not None:
            raise BadInput(f"{option} is not for --to {to}; leave it out")
    if to == "model-card" and len(method or ()) != 1:
        raise BadInput("a card is of one method: name it with --method, by its id in the store")
    view = effbench.store.read_store(local_store(store))
    if not view.cells:
        raise BadInput(f"{store}: no cell has finished yet, so there is nothing to export")
    if to == "model-card":
        _card(view, (method or [""])[0], task, name, out)
    else:
        _runs(view, method or [], task, tracking_uri, experiment)
    if view.unfinished:
        print(f"not finished yet: {', '.join(view.unfinished)}", file=sys.stderr)


def _card(view: StoreView, method: str, task: str | None, name: str | None, out: Path | None) -> None:
    from effbench.cli.report import write_out
    from effbench.export.model_card import model_card
    from effbench.verification import read_history

    text = model_card(view, method, task, name, read_history(view.path))
    if out is None:
        sys.stdout.write(text)
    else:
        write_out(out, text)


def _runs(view: StoreView, methods: list[str], task: str | None, uri: str | None, experiment: str | None) -> None:
    from effbench.counted import counted
    from effbench.export.choosing import chosen_cells
    from effbench.export.mlflow_runs import export_runs
    from effbench.export.run_content import run_content
    from effbench.report.standing import store_standing

    cells = chosen_cells(view, methods, task)
    made = store_standing(view.path).text
    contents = [run_content(cell, view.machines.get(cell.provenance.machine, {}), made) for cell in cells]
    done = export_runs(contents, experiment or view.suite, uri)
    kept = f", {done.kept} there already" if done.kept else ""
    print(f"{counted(done.made, 'run')} made{kept}: experiment {done.experiment} in {done.where}")
