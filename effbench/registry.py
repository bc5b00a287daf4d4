"""The one generic registry behind tasks and methods: entry points, loaded lazily, never replaced silently.

Listing reads package metadata only; nothing of a plugin is imported before it is used. Our own baselines come in by
the same entry points as any third party's.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from effbench.api import API_VERSION, Method, Task, source_folder
from effbench.contract.declarations import (
    broken_promises,
    execution_problems,
    metrics_are_declared,
    params_have_defaults,
    params_survive_json,
)
from effbench.errors import BadInput, nearest
from effbench.guard import PluginFailure, dies, strangers

T = TypeVar("T")

OURS = "effbench"
"""Our own distribution, whose modules are known not to end the process."""


@dataclass(frozen=True)
class RegisteredPlugin:
    """One registered name: where it comes from and what it points to, without importing it."""

    name: str
    value: str
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        """Return "distribution version (module:attribute)"."""
        return f"{self.distribution} {self.version} ({self.value})"


class Registry(Generic[T]):
    """Plugins of one kind by name.

    A name claimed by two distributions, an ``api_version`` other than ours, a plugin that fails to import or that declares
    what the contract rules out is broken: ``broken`` lists it, and ``get`` raises ``BadInput`` for that name only.
    """

    def __init__(self, kind: str, group: str, base: type[T]) -> None:
        self.kind, self.group, self.base = kind, group, base
        self._loaded: dict[str, type[T]] = {}

    @cached_property
    def _claims(self) -> dict[str, list[tuple[RegisteredPlugin, EntryPoint]]]:
        claims: dict[str, list[tuple[RegisteredPlugin, EntryPoint]]] = {}
        for point in sorted(entry_points(group=self.group), key=lambda p: (p.name, p.value)):
            name = point.dist.name if point.dist else "unknown"
            entry = RegisteredPlugin(point.name, point.value, name, point.dist.version if point.dist else "?")
            known = claims.setdefault(point.name, [])
            # An editable install may show the same distribution twice on sys.path.
            if all((e.value, e.distribution) != (entry.value, entry.distribution) for e, _ in known):
                known.append((entry, point))
        return claims

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        return sorted(self._claims)

    def entries(self) -> list[RegisteredPlugin]:
        """Return every claim to a name, including both of a duplicate."""
        return [entry for name in self.names() for entry, _ in self._claims[name]]

    def origin(self, name: str) -> str:
        """Return where a name comes from."""
        return " and ".join(entry.origin for entry, _ in self._claims[name])

    def get(self, name: str) -> type[T]:
        """Return the class registered under ``name``; raise ``BadInput`` where it is unknown, claimed twice or broken."""
        if name in self._loaded:
            return self._loaded[name]
        if name not in self._claims:
            raise BadInput(f"unknown {self.kind} {name!r}{nearest(name, self._claims)}")
        if len(self._claims[name]) > 1:
            raise BadInput(f"{self.kind} {name!r} is registered twice, by {self.origin(name)}; uninstall one of them")
        plugin = self._load(*self._claims[name][0])
        self._loaded[name] = plugin
        return plugin

    def _load(self, entry: RegisteredPlugin, point: EntryPoint) -> type[T]:
        where = f"{self.kind} {entry.name!r} of {entry.origin}"
        if entry.distribution != OURS and entry.value.partition(":")[0] not in sys.modules:
            death = dies(point.load)
            if death:
                raise BadInput(f"{where} cannot be imported: that {death}")
        try:
            with strangers(f"{where} cannot be imported: it"):
                plugin = point.load()
            with strangers(f"{where}: what it declares"):
                problem = self._problem(plugin, entry)
        except PluginFailure as failure:
            sentence = str(failure)
            raise BadInput(sentence if entry.name in sentence else f"{where}: {sentence}") from failure
        if problem:
            raise BadInput(f"{where} {problem}")
        return cast("type[T]", plugin)

    def _problem(self, plugin: object, entry: RegisteredPlugin) -> str:
        """Return "" where a loaded class can be used under the name of its entry, else why not."""
        if not (isinstance(plugin, type) and issubclass(plugin, self.base)):
            return f"is not a subclass of {self.base.__name__}"
        declared, api = getattr(plugin, "name", None), getattr(plugin, "api_version", None)
        if api != API_VERSION:
            return f"has api_version {api}, this EffBench has {API_VERSION}"
        if declared != entry.name:
            return f"calls itself {declared!r}; the names must agree"
        first, *more = [*broken_promises(plugin), ""]
        return first and f"breaks the contract: {first}" + (f" (and {len(more) - 1} more)" if len(more) > 1 else "")

    def broken(self) -> dict[str, str]:
        """Return name -> one sentence for every name that cannot be used (this imports all plugins of the kind).

        Each is also made with its default parameters, where it has some.
        """
        problems: dict[str, str] = {}
        for name in self.names():
            try:
                plugin: Any = self.get(name)
                where = f"{self.kind} {name!r} of {self.origin(name)}"
                with strangers(f"{where} cannot be made: {plugin.__name__}(Params())"):
                    for problem in [] if any(params_have_defaults(plugin)) else _problems_made(plugin):
                        problems.setdefault(name, f"{where}: {problem}")
            except (BadInput, PluginFailure) as error:
                problems[name] = str(error)
        return problems


def _problems_made(plugin: Any) -> list[str]:
    """Return what is wrong with a plugin made with its default parameters."""
    params = plugin.Params()
    made = plugin(params)
    promise = execution_problems(made.execution()) if isinstance(made, Method) else metrics_are_declared(made)
    return [*params_survive_json(params), *promise]


tasks: Registry[Task] = Registry("task", "effbench.tasks", Task)  # type: ignore[type-abstract]
methods: Registry[Method] = Registry("method", "effbench.methods", Method)  # type: ignore[type-abstract]


@cache
def code_version(plugin: type) -> str:
    """Return the hash of the Python sources behind a plugin.

    These are the sources beside the modules of its class, of the classes that it inherits from (a shared base of several
    tasks) and of a task's system type: the whole folder where it is a package. The contract itself is left out.
    """
    classes = [*plugin.__mro__, getattr(plugin, "system_type", object)]
    sources = {file: base for cls in classes if _is_ours_to_hash(cls) for file, base in _sources(cls).items()}
    digest = hashlib.sha256()
    for name, content in sorted((f.relative_to(base).as_posix(), f.read_bytes()) for f, base in sources.items()):
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:16]


def _is_ours_to_hash(cls: type) -> bool:
    return cls.__module__ not in ("abc", "builtins", "typing") and not cls.__module__.startswith("effbench.api")


def _sources(cls: type) -> dict[Path, Path]:
    """Return source file -> the folder that it is named from."""
    import inspect

    folder = source_folder(cls)
    is_package = (folder / "__init__.py").exists()
    return dict.fromkeys(folder.rglob("*.py") if is_package else [Path(inspect.getfile(cls))], folder)
