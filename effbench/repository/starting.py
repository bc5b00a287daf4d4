"""The skeleton of a board repository: a README for who sends something in, git's attributes, and the checks of a host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from effbench import __version__
from effbench.atomic import write_bytes
from effbench.errors import BadInput
from effbench.repository.places import CHECK, RESULTS

FILES: Mapping[str, str] = {
    "README.md": "board_readme.md.tmpl",
    ".gitattributes": "board_gitattributes.tmpl",
    CHECK: "board_check.yml.tmpl",
    ".github/workflows/comment.yml": "board_comment.yml.tmpl",
}
"""Path in a repository -> the template that it is made of."""
NEEDS = ("filelock", "numpy", "pyarrow", "pydantic", "pyyaml", "rich", "safetensors", "scipy", "typer")
"""Packages that a check imports, of all that EffBench depends on: a host's machine installs no model library for it."""


def start(folder: Path, licence: str, effbench: str = "") -> list[Path]:
    """Write the skeleton into a folder, which may hold other files, and return the files.

    ``effbench`` is what pip installs on the host's machine; default: this version. Raises ``BadInput`` where one of the files
    is there already, or the text cannot stand in them.
    """
    package = effbench or f"effbench=={__version__}"
    for what, text in (("--licence", licence), ("--effbench", package)):
        if not text.isprintable() or any(sign in text for sign in '"\\`${}'):
            raise BadInput(f"{what} {text!r}: quotes, backslashes, braces and dollar signs cannot stand in it")
    if taken := [name for name in (*FILES, RESULTS) if (folder / name).exists()]:
        raise BadInput(f"{folder / taken[0]}: is there already")
    filled = {"@LICENCE@": licence, "@EFFBENCH@": package, "@NEEDS@": " ".join(NEEDS)}
    for name, template in FILES.items():
        text = _template(template)
        for sign, value in filled.items():
            text = text.replace(sign, value)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / name, text.encode())
    (folder / RESULTS).mkdir()
    return [folder / name for name in FILES]


def _template(name: str) -> str:
    from importlib.resources import files

    return (files("effbench.templates") / name).read_text(encoding="utf-8")
