"""What files of plans have in common: a schema of their own, and a sentence where they are none."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from effbench.errors import BadInput
from effbench.explaining import explain
from effbench.yamlpos import Document

P = TypeVar("P", bound=BaseModel)


def parsed(document: Document, model: type[P], schema: str, named: str) -> P:
    """Return the plan of a parsed file; raise ``BadInput`` in one sentence where it is none of ``schema``.

    ``named`` is what a reader calls such a plan, with its article.
    """
    given = document.data.get("schema") if isinstance(document.data, dict) else None
    if given != schema:
        said = "has no schema" if given is None else f"is of schema {given!r}"
        raise BadInput(f"{document.source}: {said}; {named} is of {schema!r}")
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise BadInput(explain(error, document, model)) from None
