"""``effbench run``: finish what a suite asks for, and print its table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SuiteArgument = Annotated[
    Path, typer.Argument(help="Suite file (YAML), or the name of one that ships (`list suites`).", show_default=False)
]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Override: key.path=value.", show_default=False)]


def run(
    suite: SuiteArgument,
    only: Annotated[
        list[str] | None, typer.Option(help="Glob over task/method or method; repeatable.", show_default=False)
    ] = None,
    set_: SetOption = None,
    store: Annotated[
        Path | None, typer.Option(help="Folder of results, on this machine; default: the suite's.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done and stop.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Move earlier results of these cells aside first.")] = False,
    accept_code_change: Annotated[
        bool, typer.Option("--accept-code-change", help="Keep parts that another version of the code made.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON instead of a table.")] = False,
) -> int:
    """Run a suite: only what is missing is computed, and the table is printed."""
    from effbench.cli.outcome import close_run, show_plan
    from effbench.hub.names import refuse_hub
    from effbench.runner.executor import Executor, opened
    from effbench.runner.plan import make_plan
    from effbench.store import Store
    from effbench.suite import find_suite, load_suite

    loaded = load_suite(find_suite(suite), set_ or ())
    path = store or Path(loaded.suite.output.store or f"results/{loaded.suite.name}")
    refuse_hub(path, "name a folder with --store; `hf upload OWNER/NAME FOLDER --repo-type dataset` sends it there")
    whole = make_plan(loaded)
    plan = whole.only(only or ())
    if dry_run:
        return show_plan(plan, path, json_)
    _stop_on_signals()
    with opened(Store(path), plan, whole) as open_store:
        executor = Executor(plan, open_store, accept_code_change, quiet=json_)
        try:
            if fresh:
                executor.launcher.ready()  # what keeps a run from starting must leave the results where they are
                for cell in plan.cells:
                    open_store.move_aside(cell.id)
            outcome = executor.run()
        finally:
            executor.launcher.close()
    return close_run(path, outcome, loaded.suite.gates, json_)


def _stop_on_signals() -> None:
    """Let a request to end, or a terminal that goes away, end the run as Ctrl-C does: with its workers, its store whole."""
    import signal

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # `nohup` has it ignored
            signal.signal(number, interrupt)
