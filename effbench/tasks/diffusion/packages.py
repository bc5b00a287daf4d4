"""Packages that are wrapped and not required: whether they work here is tried before anything runs."""

from __future__ import annotations

import subprocess
import sys

from effbench.api import PluginError


def refuse_unless_it_imports(what: str, package: str, install: str) -> None:
    """Raise ``PluginError`` where a package cannot be imported; tried in a process of its own, which may load torch.

    That it is there does not say that it works beside these versions of its dependencies.
    """
    tried = subprocess.run([sys.executable, "-c", f"import {package}"], capture_output=True, text=True, check=False)
    if tried.returncode:
        reason = (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PluginError(f"{what}: the package {package!r} does not import ({reason[:150]}); {install}")
