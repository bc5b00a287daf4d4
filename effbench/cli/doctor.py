"""``effbench doctor``: versions, devices, plugins that cannot be used, room on the disk."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> int:
    """Look for what would stop a run; exit code 1 where something is wrong."""
    import platform
    import shutil
    from importlib.metadata import version

    from effbench import __version__, registry
    from effbench.measure.machine import cuda_devices, facts, fingerprint
    from effbench.runner.provenance import package_versions

    problems = {**registry.tasks.broken(), **registry.methods.broken()}
    found: dict[str, Any] = {
        "effbench": __version__,
        "python": platform.python_version(),
        "packages": {**package_versions(), "streamlit": version("streamlit")},
        "machine": {"fingerprint": fingerprint(), **facts()},
        "cuda_devices": cuda_devices(),
        "disk_free_gb": round(shutil.disk_usage(".").free / 1e9, 1),
        "tasks": registry.tasks.names(),
        "methods": registry.methods.names(),
        "broken_plugins": problems,
    }
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        for key, value in found.items():
            if key == "broken_plugins" and value:
                print(f"{key:15} {len(value)}")
                for sentence in value.values():
                    print(f"  {sentence}")
                continue
            shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            shown = ", ".join(shown) if isinstance(shown, list) else shown
            print(f"{key:15} {shown if shown not in ('', {}) else 'none'}")
    return 1 if problems else 0
