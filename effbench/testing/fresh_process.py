"""What a plugin does in a newly started interpreter: the modules it pulls in, and the sample ids it gives there.

This process may have imported torch long ago, and its string hashes are its own; only a fresh one can tell.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from effbench.api import StrictParams, Task
from effbench.testing.findings import Unavailable

CHILD = Path(__file__).with_name("child.py")
TIMEOUT_S = 120
"""A choice: a first import of torch from a slow disk ends in time, and a module that hangs does not hang the tests."""
LIGHT = "move the import into the method that needs it"


def importing_is_light(plugin: type) -> Iterator[str]:
    """Yield a violation where importing the module that defines ``plugin`` pulls in torch or another heavy package."""
    heavy = observe(plugin, "import")["heavy"]
    if heavy:
        yield f"importing {plugin.__module__} also imports {', '.join(heavy)}; it must stay light: {LIGHT}"


def samples_elsewhere(task: Task, ids: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield violations where ``samples`` loads heavy packages, or gives other ids in another process than ``ids``."""
    if "<locals>" in type(task).__qualname__:
        return  # a class inside a function cannot be reached from another process
    seen = observe(type(task), "samples", task.params, tuple(ids))
    if seen["heavy"]:
        yield f"samples imports {', '.join(seen['heavy'])}; it must be free of them: read plain data files instead"
    for split, known in ids.items():
        if seen["ids"][split] != list(known):
            yield (
                f"samples({split!r}) gives other ids in another process; ids must never change: derive them from the "
                "data, never from hash(), a set's order or an unseeded generator"
            )


def observe(
    plugin: type,
    stage: Literal["import", "samples"],
    params: StrictParams | None = None,
    splits: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what the child process saw: ``heavy`` modules and, for ``samples``, ``ids`` of the splits."""
    request = {
        "module": plugin.__module__,
        "file": inspect.getfile(plugin),
        "qualname": plugin.__qualname__ if stage == "samples" else None,
        "params": params.model_dump_json() if params is not None else None,
        "splits": list(splits),
    }
    return _ask(json.dumps(request, sort_keys=True))


@cache
def _ask(request: str) -> dict[str, Any]:
    """Return the child's answer; asked once per request, as starting an interpreter takes a third of a second."""
    hash_seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": hash_seed}
    # -P keeps the folder of child.py, whose modules have everyday names, off the path.
    command = [sys.executable, "-P", str(CHILD)]
    child = subprocess.run(
        command, input=request, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if child.returncode != 0:
        last = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
        module = json.loads(request)["module"]
        raise Unavailable(
            f"{module} does not work in a fresh process ({last}); it must import and list samples by itself"
        )
    answer: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return answer
