"""``effbench new``: write a starter package for a method or a task, which installs and passes its checker as it is."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

KINDS = ("method", "task")
"""What a package can be started for."""
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""The form of a plugin's name that the contract asks for; a package and a class are named after it."""


def new(
    kind: Annotated[str, typer.Argument(help="method or task.")],
    name: Annotated[str, typer.Argument(help="Lower-case words joined by hyphens, such as half-steps.")],
    into: Annotated[Path, typer.Option(help="Folder in which the package's folder is made.")] = Path(),
    for_task: Annotated[
        str | None, typer.Option("--for", metavar="TASK", help="Task that the method serves; t2i where not given.")
    ] = None,
) -> None:
    """Write an installable starter package for a method or a task."""
    from effbench.cli.outcome import require_choice
    from effbench.errors import BadInput

    require_choice(kind, KINDS, "the kind")
    if kind == "task" and for_task is not None:
        raise BadInput("--for names the task that a method serves; leave it out for a task, which loads its own system")
    for_task = for_task or "t2i"
    fields = starter_fields(kind, name, for_task)
    folder = into / fields["distribution"]
    if folder.exists():
        raise BadInput(f"{folder} exists already; choose another name or another --into")
    try:
        for path, content in starter_files(kind, fields, for_task).items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{folder}: cannot be written: {error.strerror}") from None
    print(f"wrote {folder}; next:\n  cd {folder}\n  pip install -e '.[test]'\n  pytest")


def starter_fields(kind: str, name: str, for_task: str) -> dict[str, str]:
    """Return what fills the templates' fields; raise ``BadInput`` where the name or the task cannot be used."""
    from effbench import api, registry
    from effbench.errors import BadInput

    if not NAME.fullmatch(name):
        raise BadInput(f"the name {name!r} is not lower-case words joined by hyphens, such as 'half-steps'")
    taken = registry.methods if kind == "method" else registry.tasks
    if name in taken.names():
        raise BadInput(f"the {kind} {name!r} is registered already, by {taken.origin(name)}; names are unique")
    class_name = "".join(word.capitalize() for word in name.split("-"))
    package = f"effbench_{name.replace('-', '_')}"
    fields = {
        "kind": kind,
        "name": name,
        "class_name": class_name,
        "distribution": f"effbench-{name}",
        "package": package,
        "dependencies": _dependencies(),
    }
    if kind == "method":
        fields |= _task_fields(for_task)
    meanings = {*dir(api), *keyword.kwlist, "Estimator", fields.get("system_class"), fields.get("task_class")}
    if class_name in meanings:
        raise BadInput(
            f"the name {name!r} would make the class {class_name}, which has a meaning already; choose another"
        )
    if find_spec(package) is not None:
        raise BadInput(
            f"the name {name!r} would make the package {package}, which is installed already; choose another"
        )
    return fields


def _dependencies(*others: str) -> str:
    """Return EffBench and other distributions, each once, as TOML lists them."""
    return json.dumps(list(dict.fromkeys(("effbench", *others))))


def _task_fields(name: str) -> dict[str, str]:
    """Return the fields that say which system a method accepts, on which task it is tested and whose package that is."""
    from effbench import registry
    from effbench.errors import BadInput, nearest

    known = registry.tasks.names()
    if name not in known:
        raise BadInput(
            f"unknown task {name!r}{nearest(name, known)}; that of another package is found once it is installed"
        )
    task = registry.tasks.get(name)
    system = task.system_type
    return {
        "dependencies": _dependencies(
            *(entry.distribution for entry in registry.tasks.entries() if entry.name == name)
        ),
        "system_module": _public_module(system),
        "system_class": system.__qualname__,
        "task_module": _public_module(task),
        "task_class": task.__qualname__,
        "task_params": f"{task.__qualname__}.Params({_arguments(task.small)})" if task.small else "",
    }


def _public_module(plugin: type) -> str:
    """Return what to import a class from: the outermost package that gives it, else the module that defines it."""
    parts = plugin.__module__.split(".")
    for length in range(1, len(parts)):
        module = ".".join(parts[:length])
        if getattr(import_module(module), plugin.__qualname__, None) is plugin:
            return module
    return plugin.__module__


def _arguments(params: Mapping[str, Any]) -> str:
    """Return parameters as they are written in a call, strings in double quotes."""
    return ", ".join(f"{k}={json.dumps(v) if isinstance(v, str) else repr(v)}" for k, v in params.items())


def starter_files(kind: str, fields: dict[str, str], for_task: str) -> dict[str, str]:
    """Return path within the package's folder -> content."""
    package, plugin = fields["package"], fields["package"].removeprefix("effbench_")
    source = "method_t2i.py" if kind == "method" and for_task == "t2i" else f"{kind}.py"
    templates = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "readme.md",
        f"{package}/__init__.py": "init.py",
        f"{package}/{kind}.py": source,
        f"tests/test_{plugin}.py": f"test_{kind}.py",
    }
    return {path: _fill(template, fields) for path, template in templates.items()}


def _fill(template: str, fields: dict[str, str]) -> str:
    from importlib.resources import files
    from string import Template

    return Template((files("effbench.templates") / f"{template}.tmpl").read_text(encoding="utf-8")).substitute(fields)
