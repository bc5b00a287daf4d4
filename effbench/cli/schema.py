"""``effbench schema``: the JSON Schema of suites for editors, and the reference page made from it."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/suite.md instead.")] = False,
) -> None:
    """Print the JSON Schema of a suite file."""
    import json

    from effbench.suite import Suite
    from effbench.suitedoc import suite_reference

    if markdown:
        print(suite_reference(), end="")
        return
    content = Suite.model_json_schema(by_alias=True)
    print(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **content}, indent=2))
