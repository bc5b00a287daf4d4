"""One typer application out of one thin file per command; exit codes: 0 done, 1 cells failed, 2 bad input, 3 gate, 130."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from effbench import __version__
from effbench.cli import (
    board,
    calibrate,
    compare,
    describe,
    doctor,
    list_plugins,
    new,
    report,
    run,
    schema,
    subset,
    validate,
)
from effbench.errors import BadInput, StoreError

app = typer.Typer(
    name="effbench",
    help="Quality, latency and memory of efficient-AI methods in one honest table.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run.run)
app.command()(validate.validate)
app.command()(report.report)
app.command()(compare.compare)
app.command()(board.board)
app.command(name="list")(list_plugins.list_plugins)
app.command()(describe.describe)
app.command()(calibrate.calibrate)
app.command()(doctor.doctor)
app.command()(new.new)
app.command()(schema.schema)
app.add_typer(subset.app, name="subset")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"effbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Hold the options that stand before any command."""


def run_app() -> int:
    """Run the application and turn each known error into one sentence and an exit code."""
    try:
        code = app(standalone_mode=False)
    except (BadInput, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except TyperException as error:  # a missing argument, an unknown command or option
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; what was finished is in the store", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    return code if isinstance(code, int) else 0
