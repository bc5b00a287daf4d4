"""``effbench board``: the leaderboard over one or more stores, in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from effbench.cli.saying import tell
from effbench.cli.stores import WHERE
from effbench.errors import BadInput, StoreError

LOOPBACK = "127.0.0.1"
"""Nobody but this machine reaches a board unless its user says so."""

LOOK = {
    "client.toolbarMode": "viewer",
    "runner.magicEnabled": "false",
    "theme.light.primaryColor": "#00639b",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f4f6f8",
    "theme.light.textColor": "#1c1f23",
    "theme.light.linkColor": "#00639b",
    "theme.dark.primaryColor": "#6cbcf0",
    "theme.dark.backgroundColor": "#14171a",
    "theme.dark.secondaryBackgroundColor": "#1e2327",
    "theme.dark.textColor": "#e6e9ec",
    "theme.dark.linkColor": "#6cbcf0",
    "theme.baseRadius": "0.35rem",
}
"""Streamlit's settings for a quiet board: blue for red, no Deploy button, light or dark as the browser is.

Magic would print the text below a constant."""


def board(
    stores: Annotated[
        list[Path] | None,
        typer.Argument(
            help=f"Stores that `effbench run` wrote: {WHERE}; or folders of stores, such as a board repository. Without any, "
            "the demo store that comes with the board."
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to serve on; default: Streamlit's.")] = None,
    host: Annotated[
        str, typer.Option(help="Address to serve on; 0.0.0.0 lets other machines see the results.")
    ] = LOOPBACK,
    headless: Annotated[bool, typer.Option("--headless", help="Serve without opening a browser.")] = False,
) -> None:
    """Open the leaderboard; it stops with Ctrl-C."""
    import os
    import sys

    import effbench.store
    from effbench.hub.stores import local_store
    from effbench.stores import stores_below

    folders: list[Path] = []
    refused: list[StoreError] = []
    count = 0
    for named in stores or []:
        try:
            folders.append(local_store(named))
        except StoreError as error:
            refused, count = [*refused, error], count + 1
            continue
        for store in stores_below(folders[-1]):
            count += 1
            try:
                effbench.store.read_store(store)
            except StoreError as error:  # the board says the same of a folder, and shows the others
                refused.append(error)
    if refused and len(refused) == count:
        raise refused[0]
    for sentence in refused:
        tell(f"warning: {sentence}")
    _check_address(host, port)
    line = command(folders, port, headless, host)
    sys.stdout.flush()
    sys.stderr.flush()
    # The server takes this process's place, so that whatever ends the command ends the server: no child is left behind.
    os.execv(line[0], line)


def _check_address(host: str, port: int | None) -> None:
    """Raise ``BadInput`` where nothing can be served there; without a port, one that is free will be looked for."""
    import socket

    try:
        family, _, _, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that has just been closed is free
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        where = host if port is None else f"{host}, port {port}"
        raise BadInput(f"the board cannot be served on {where}: {getattr(error, 'strerror', None) or error}") from None


def command(stores: list[Path], port: int | None, headless: bool, host: str = LOOPBACK) -> list[str]:
    """Return the command line that serves the leaderboard.

    Without a display no browser can open, so the server is headless then too. Raises ``BadInput`` where the leaderboard
    is not installed.
    """
    import os
    import sys

    has_display = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    options = ["--browser.gatherUsageStats", "false", "--server.showEmailPrompt", "false"]
    options += ["--server.headless", "false" if has_display and not headless else "true"]
    options += ["--server.address", host]
    options += [word for name, value in LOOK.items() for word in (f"--{name}", value)]
    if port is not None:
        options += ["--server.port", str(port)]
    paths = [os.path.realpath(store) for store in stores]
    # -P: the working folder may be a stranger's, and is not to be imported from.
    return [sys.executable, "-P", "-m", "streamlit", "run", str(_app_file()), *options, "--", *paths]


def _app_file() -> Path:
    import importlib.util

    spec = importlib.util.find_spec("effbench_leaderboard")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for folder in folders:
        if (file := Path(folder) / "app.py").is_file():
            return file
    raise BadInput(
        "the leaderboard (package effbench_leaderboard) is not installed; reinstall effbench from its repository"
    )
