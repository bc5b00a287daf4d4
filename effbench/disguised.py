"""Numbers that were not written as numbers: what pydantic turns into one although nobody meant that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from effbench.yamlscalar import is_octal_to_some, number_hint


def refuse_disguised_numbers(given: Any, made: BaseModel) -> None:
    """Raise pydantic's ``ValidationError`` where ``true`` or a word such as 010 has become a number of ``made``."""
    found = [
        InitErrorDetails(type=PydanticCustomError("value_error", message), loc=place, input=value)
        for place, value, message in _disguised(given, made, ())
    ]
    if found:
        raise ValidationError.from_exception_data(type(made).__name__, found)


def _disguised(given: Any, made: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    if isinstance(given, Mapping):
        for key, value in given.items():
            inner = made.get(key) if isinstance(made, Mapping) else getattr(made, str(key), None)
            yield from _disguised(value, inner, (*place, key))
    elif isinstance(given, list | tuple) and isinstance(made, list | tuple):
        for index, (value, inner) in enumerate(zip(given, made)):
            yield from _disguised(value, inner, (*place, index))
    elif isinstance(made, int | float) and not isinstance(made, bool):
        if isinstance(given, bool):
            yield place, given, f"a number is needed, got {str(given).lower()}"
        elif isinstance(given, str) and is_octal_to_some(given):
            yield place, given, f"a number is needed, got {given!r}{number_hint(given)}"
