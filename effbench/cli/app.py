"""One typer application out of one thin file per command.

Exit codes: 0 done, 1 cells failed, 2 bad input, 3 gate, 4 done but stdout could not be written, 130 interrupted.
"""

from __future__ import annotations

import errno
from typing import Annotated

import typer
from typer.exceptions import TyperException

from effbench import __version__
from effbench.cli import (
    board,
    board_repo,
    calibrate,
    compare,
    describe,
    doctor,
    export,
    list_plugins,
    new,
    report,
    run,
    schema,
    submit,
    subset,
    validate,
    verify,
)
from effbench.cli.saying import tell
from effbench.errors import BadInput, StoreError

INTERRUPTED = 130
"""What a shell calls an end by SIGINT: 128 + the signal's number, 2."""
LONGEST_SHOWN = 60
"""Characters of a file's name that an error repeats: a choice that leaves room for the sentence on one line."""

app = typer.Typer(
    name="effbench",
    help="Quality, latency and memory of efficient-AI methods in one honest table.",
    epilog="Example: effbench run quickstart",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(epilog="Example: effbench run suites/quickstart.yaml --only 'emoji/*' --set measure.latency.rounds=5")(
    run.run
)
app.command(epilog="Example: effbench validate suites/quickstart.yaml")(validate.validate)
app.command(epilog="Example: effbench report results/quickstart --pareto latency,quality")(report.report)
app.command(epilog="Example: effbench compare results/quickstart int8-dynamic reference --task digits")(compare.compare)
app.command(epilog="Example: effbench board results/quickstart results/vmc --port 8600")(board.board)
app.command(epilog="Example: effbench export results/quickstart --to model-card --method int8-dynamic --out card.md")(
    export.export
)
app.command(name="list", epilog="Example: effbench list methods")(list_plugins.list_plugins)
app.command(epilog="Example: effbench describe fewer-steps")(describe.describe)
app.command(epilog="Example: effbench calibrate --threads 2")(calibrate.calibrate)
app.command(epilog="Example: effbench doctor --json")(doctor.doctor)
app.command(epilog="Example: effbench new method half-steps --for t2i --into plugins")(new.new)
app.command(epilog="Example: effbench submit results/quickstart --method int8-dynamic --licence CC-BY-4.0")(
    submit.submit
)
app.command(epilog="Example: effbench verify submissions/int8-dynamic --level rescore")(verify.verify)
app.command(epilog="Example: effbench schema > suite.schema.json")(schema.schema)
app.add_typer(subset.app, name="subset")
app.add_typer(board_repo.app, name="board-repo")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"effbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Hold the options that stand before any command; without one, show the help."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)


def run_app() -> int:
    """Run the application and turn each known error into one sentence and an exit code."""
    try:
        code = app(standalone_mode=False)
    except (BadInput, StoreError) as error:
        tell(f"error: {error}")
        return 2
    except TyperException as error:  # a missing argument, an unknown command or option
        tell(f"error: {error.format_message()}")
        return 2
    except OSError as error:
        if error.filename is None:
            raise  # not about a file, so nothing that a user can mend
        tell(f"error: {_of_a_file(error)}")
        return 2
    if code == INTERRUPTED:  # typer's answer to KeyboardInterrupt
        tell("interrupted; what was finished is kept")
    return code if isinstance(code, int) else 0


def _of_a_file(error: OSError) -> str:
    """Return what the system says of a path, of which a name that is too long for it shows only the beginning."""
    name = error.filename if isinstance(error.filename, str) else repr(error.filename)
    if error.errno == errno.ENAMETOOLONG:
        return f"{name[:LONGEST_SHOWN]}... ({len(name)} characters): {error.strerror}"
    return f"{name}: {error.strerror}"
