"""Our own YAML files, as plain data: lists of prompts, cards and manifests, of which every worker reads some as it starts."""

from __future__ import annotations

from typing import Any

import yaml

# The C parser is 35 times as fast; both yield the same events.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def plain_yaml(text: str) -> Any:
    """Return the data of a YAML text that we ship; a stranger's is read by ``yamlpos``, which bounds what it may cost."""
    return yaml.load(text, Loader=LOADER)
