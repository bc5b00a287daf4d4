"""``effbench list``: what is registered, and where it comes from; only ``metrics`` imports the tasks."""

from __future__ import annotations

import json
from typing import Annotated

import typer

KINDS = ("tasks", "methods", "metrics", "suites", "zoo", "plugins")


def list_plugins(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")] = "plugins",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List tasks, methods, metrics, suites or embedded models with their origin."""
    from effbench.cli.outcome import require_choice

    rows = _rows(require_choice(kind, KINDS, "list"))
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    widths = {key: max(len(row[key]) for row in rows) for key in rows[0]} if rows else {}
    for row in rows:
        print("  ".join(value.ljust(widths[key]) for key, value in row.items()).rstrip())


def _rows(kind: str) -> list[dict[str, str]]:
    from effbench import registry

    if kind == "suites":
        from effbench.suite import shipped_suites

        return [{"name": name, "path": str(file)} for name, file in shipped_suites().items()]
    if kind == "zoo":
        from effbench import zoo

        return [{"name": name, "path": str(zoo.find(name).folder)} for name in zoo.names()]
    if kind == "metrics":
        broken = registry.tasks.broken()
        usable = [name for name in registry.tasks.names() if name not in broken]
        return [
            {"task": name, "metric": m.name, "unit": m.unit or "-", "per": m.per, "description": m.description}
            for name in usable
            for m in registry.tasks.get(name).metrics
        ]
    wanted = [r for r in (registry.tasks, registry.methods) if kind in ("plugins", f"{r.kind}s")]
    return [
        {"kind": r.kind, "name": e.name, "package": f"{e.distribution} {e.version}", "points to": e.value}
        for r in wanted
        for e in r.entries()
    ]
