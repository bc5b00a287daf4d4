"""How a command takes a store that it only reads: a folder, or a name of the hub, which ``hub.stores`` makes one of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WHERE = "a folder, or hf://datasets/OWNER/NAME with or without @REVISION and /FOLDER behind it"
"""Where a store may stand, as every command says that reads one (a bracket would be markup in a help)."""

StoreArgument = Annotated[
    Path, typer.Argument(metavar="STORE", help=f"Store that `effbench run` wrote: {WHERE}.", show_default=False)
]
