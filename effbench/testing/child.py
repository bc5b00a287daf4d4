"""The program that ``fresh_process`` starts: imports one plugin, prints what that pulled in; standard library only."""

import importlib
import importlib.util
import json
import sys
from types import ModuleType
from typing import Any

HEAVY = ("torch", "pandas", "streamlit", "diffusers", "transformers", "tensorflow", "jax")


def load(name: str, file: str) -> ModuleType:
    """Return the module by its name, or from its file where the name cannot be found (a test module, a script)."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or (name != error.name and not name.startswith(f"{error.name}.")):
            raise
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Read a request from stdin, print the answer as the last line of stdout."""
    request = json.load(sys.stdin)
    before = set(sys.modules)
    plugin: Any = load(request["module"], request["file"])
    ids = {}
    if request["qualname"]:
        for part in request["qualname"].split("."):
            plugin = getattr(plugin, part)
        task = plugin(plugin.Params.model_validate_json(request["params"]))
        ids = {split: [sample.id for sample in task.samples(split)] for split in request["splits"]}
    heavy = [name for name in HEAVY if name in sys.modules and name not in before]
    print("\n" + json.dumps({"heavy": heavy, "ids": ids}))


main()
