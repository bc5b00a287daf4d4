"""``effbench board-repo``: a git repository of submissions, and the check of what a pull request brings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli.saying import say, tell

if TYPE_CHECKING:
    from effbench.repository.checking import Checked

NOT_PASSED = 1
"""Exit code where something may not stay."""

app = typer.Typer(
    help="A git repository of submissions: its skeleton, adding to it, checking what a pull request brings.",
    epilog="Example: effbench board-repo check . --changed origin/main",
    invoke_without_command=True,
)
Repository = Annotated[Path, typer.Argument(metavar="REPO", help="Checkout of the repository.", show_default=False)]


@app.callback()
def _help(context: typer.Context) -> None:
    """A git repository of submissions: its skeleton, adding to it, checking what a pull request brings."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)


@app.command(epilog="Example: effbench board-repo init my-board --licence CC-BY-4.0")
def init(
    folder: Annotated[Path, typer.Argument(help="Folder to write to, such as an empty checkout.", show_default=False)],
    licence: Annotated[str, typer.Option(help="Licence that the board asks results to be under.")] = "CC-BY-4.0",
    effbench: Annotated[
        str, typer.Option(help="What pip installs to check with; default: this version.", show_default=False)
    ] = "",
) -> None:
    """Write the skeleton: README, .gitattributes, and workflows that check pull requests on GitHub."""
    from effbench.repository.starting import start

    for file in start(folder, licence, effbench):
        tell(f"wrote {file}")


@app.command(epilog="Example: effbench board-repo add submissions/half-steps my-board --by my-login")
def add(
    submission: Annotated[Path, typer.Argument(help="Folder that `effbench submit` wrote.", show_default=False)],
    repository: Repository,
    by: Annotated[
        str, typer.Option(help="Who sends it in, by the host's name; default: as submitted.", show_default=False)
    ] = "",
) -> None:
    """Copy a submission to its place; beside somebody else's of the same cell, as a counter-measurement."""
    from effbench.repository.adding import add as add_to

    for added in add_to(submission, repository, by):
        beside = f" (measures again what {added.beside} sent in)" if added.beside else ""
        say(f"{repository / added.place}{beside}")


@app.command(epilog="Example: effbench board-repo check . --changed origin/main --author my-login")
def check(
    repository: Repository,
    changed: Annotated[
        str | None,
        typer.Option(
            metavar="BASE", help="Only what changed since this commit; default: everything.", show_default=False
        ),
    ] = None,
    author: Annotated[
        str, typer.Option(help="Whose change it is, by the host's name: nobody changes another's.", show_default=False)
    ] = "",
    comment: Annotated[
        Path | None, typer.Option(help="File for the comment; default: stdout.", show_default=False)
    ] = None,
    most_mb: Annotated[float, typer.Option(min=0, help="Megabytes of one submission, at most.")] = 100.0,
) -> int:
    """Check submissions at the levels that run no code, and write what to say of them as Markdown."""
    from effbench.atomic import write_bytes
    from effbench.repository.checking import check_repository
    from effbench.repository.comment import comment_of

    found = check_repository(repository, changed, author, most_mb)
    text = comment_of(repository, found)
    if comment is None:
        sys.stdout.write(text)
    else:
        write_bytes(comment, text.encode())
        _show(found)
    return 0 if found.is_passed else NOT_PASSED


def _show(found: Checked) -> None:
    """Print what was found, a line each, for the log of a check."""
    lines = [f"{path}: {what}" for path, what in found.problems]
    for one in found.verdicts:
        lines.append(f"{one.place}: {'passed' if one.is_passed else 'NOT PASSED'}")
        for outcome in one.outcomes:
            told = [": ".join(filter(None, finding)) for finding in outcome.findings]
            lines += [f"  {outcome.level}: {said}" for said in (*told, outcome.missing) if said]
        lines += [f"  {problem}" for problem in one.problems]
    for line in (*lines, *found.notes):
        say(line)
