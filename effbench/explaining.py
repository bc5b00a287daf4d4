"""A failed validation as one sentence: where, what, and the nearest valid name.

Of a union pydantic lists every branch that did not fit, and puts the branch's name into the key path. Only the branch that
was meant is shown: the one that got furthest into the value, else those whose kinds were possible, together.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ValidationError

from effbench.errors import nearest
from effbench.yamlpos import Document, Key
from effbench.yamlscalar import number_hint

LONGEST_VALUE = 60
"""Characters of a value that an error repeats: a choice that leaves room for the sentence on one line."""
PLAIN_LABELS = ("str", "int", "float", "bool", "list", "tuple", "dict", "set", "literal", "constrained-str")


@dataclass(frozen=True)
class _Problem:
    """One error: its path with the labels of branches (place -> label) apart, and the model that its last key is in."""

    key: Key
    branches: tuple[tuple[int, str], ...]
    within: type[BaseModel] | None
    details: Mapping[str, Any]


def explain(error: ValidationError, document: Document, model: type[BaseModel], prefix: Key = ()) -> str:
    """Return the first problem of a validation as one sentence with its place; further ones are only counted."""
    key, message = first_problem(error, model)
    return f"{document.where(prefix + key)}: {message}"


def first_problem(error: ValidationError, model: type[BaseModel]) -> tuple[Key, str]:
    """Return the key path of the first problem, within ``model``, and its sentence without the place."""
    problems = _meant([_located(details, model) for details in error.errors()])
    # Items that do not fit are missing from the list then, so pydantic may call it too short as well.
    problems = [
        problem
        for problem in problems
        if problem.details["type"] != "too_short" or not any(_is_inside(other, problem) for other in problems)
    ]
    first = problems[0]
    key, message = first.key, _sentence(first)
    if first.details["type"] == "missing":
        key = key[:-1]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return key, f"{message}{more}"


def _is_inside(inner: _Problem, outer: _Problem) -> bool:
    return len(inner.key) > len(outer.key) and inner.key[: len(outer.key)] == outer.key


def _sentence(problem: _Problem) -> str:
    details = problem.details
    kind, message, given = details["type"], " ".join(str(details["msg"]).split()), details["input"]
    last = str(problem.key[-1]) if problem.key else ""
    if kind == "extra_forbidden":
        fields = problem.within.model_fields if problem.within else {}
        return f"unknown key {last!r}{nearest(last, [field.alias or name for name, field in fields.items()])}"
    if kind == "missing":
        return f"item {last} is missing" if last.isdigit() else f"the key {last!r} is missing"
    if kind == "literal_error":
        return f"{_shown(given)} is not valid{nearest(str(given), _words(details))}"
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = re.sub(r"a valid dictionary or instance of (\w+)", r"a mapping (\1)", message)
    message = message.replace("a valid tuple", "a list").replace(
        "a valid dictionary", "a mapping"
    )  # as YAML calls them
    if isinstance(given, dict | list) or kind in ("value_error", "assertion_error"):
        return message
    if isinstance(given, bool) and kind.startswith(("int", "float")):
        return f"{message}, got {str(given).lower()}"
    hint = number_hint(given) if isinstance(given, str) and kind.startswith(("int", "float", "bool")) else ""
    return f"{message}, got {_shown(given)}{hint}"


def _shown(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _words(details: Mapping[str, Any]) -> list[str]:
    return re.findall(r"'([^']*)'", str(details.get("ctx", {}).get("expected", "")))


def _meant(problems: Sequence[_Problem], depth: int = 0) -> list[_Problem]:
    """Return the problems that remain where of every union only the branch that was meant is kept."""
    kept: list[_Problem] = []
    left = list(problems)
    while left:
        first = left[0]
        if len(first.branches) <= depth:
            kept.append(left.pop(0))
            continue
        place, path = first.branches[depth][0], first.key[: first.branches[depth][0]]
        union = [p for p in left if len(p.branches) > depth and p.branches[depth][0] == place and p.key[:place] == path]
        left = [p for p in left if p not in union]
        branches: dict[str, list[_Problem]] = {}
        for problem in union:
            branches.setdefault(problem.branches[depth][1], []).append(problem)
        kept += _branch([_meant(found, depth + 1) for found in branches.values()], place)
    return kept


def _branch(branches: Sequence[list[_Problem]], place: int) -> list[_Problem]:
    """Return the problems of the branch that was meant; of branches that are all of another kind, one for all."""
    kinds = [max(_kind(problem, place) for problem in found) for found in branches]
    likely = [found for found, kind in zip(branches, kinds) if kind == max(kinds)]
    if max(kinds) > 1 or len(likely) == 1:
        return min(likely, key=lambda found: (_misfits(found, place), len(found)))
    first = likely[0][0]
    wanted = dict.fromkeys(str(found[0].details["msg"]).removeprefix("Input should be ") for found in likely)
    details = {**first.details, "type": "union", "msg": f"Input should be {' or '.join(wanted)}"}
    return [_Problem(first.key, (), first.within, details)]


def _kind(problem: _Problem, place: int) -> int:
    """Return whether a branch is for values of this kind: 2 yes, 1 perhaps, 0 no."""
    kind, given = str(problem.details["type"]), problem.details["input"]
    if len(problem.key) > place:
        return 2
    if kind == "literal_error":
        return 2 if isinstance(given, str) and _words(problem.details) else 0
    if kind.endswith("_parsing"):
        return 1
    return 0 if kind.endswith("_type") or kind in ("is_instance_of", "none_required") else 2


def _misfits(problems: Sequence[_Problem], place: int) -> int:
    """Return how many keys a mapping has too many or too few for this branch; a misspelt one is neither."""
    own = [problem for problem in problems if len(problem.key) == place + 1]
    missing = {str(problem.key[-1]) for problem in own if problem.details["type"] == "missing"}
    unknown = [problem for problem in own if problem.details["type"] == "extra_forbidden"]
    misspelt = [p for p in unknown if p.within and get_close_matches(str(p.key[-1]), _fields(p.within), 1)]
    return len(unknown) - len(misspelt) + max(0, len(missing) - len(misspelt))


def _located(details: Any, model: type[BaseModel]) -> _Problem:
    """Return the error with the labels of unions taken out of its path, by walking the annotations along it."""
    key: list[str | int] = []
    branches: list[tuple[int, str]] = []
    current: list[Any] = [model]
    within: type[BaseModel] | None = model
    for part in details["loc"]:
        options = _options(current)
        if isinstance(part, str) and _is_label(part, options, fresh=not branches or branches[-1][0] < len(key)):
            branches.append((len(key), part))
            current = [option for option in options if _names(option, part)] or options
            continue
        within = next((option for option in options if _is_model(option)), None)
        key.append(part)
        current = [inner for option in options for inner in _inside(option, part)]
    return _Problem(tuple(key), tuple(branches), within, details)


def _is_label(part: str, options: Sequence[Any], fresh: bool) -> bool:
    """Return whether a word of a path is the label of a union's branch, of which there is one at a place (``fresh``)."""
    if part.startswith("function-"):
        return True
    if not fresh:
        return False
    if not options:  # nothing is known of the value
        return part.partition("[")[0] in PLAIN_LABELS
    if len(options) == 1:
        return False
    if any(_names(option, part) for option in options):
        return True
    return not any(_is_model(option) and part in _fields(option) for option in options)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _options(annotations: Sequence[Any]) -> list[Any]:
    """Return what unions and aliases stand for, None apart."""
    found: list[Any] = []
    for annotation in annotations:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is Annotated:
            found += _options(arguments[:1])
        elif origin in (typing.Union, types.UnionType):
            found += _options([argument for argument in arguments if argument is not type(None)])
        elif hasattr(annotation, "__value__"):  # `type X = ...`
            found += _options([annotation.__value__])
        else:
            found.append(annotation)
    return found


def _names(option: Any, label: str) -> bool:
    """Return whether pydantic's label of a branch ("str", "list[int]", "function-after[_check(), Molecule]") means it."""
    origin = typing.get_origin(option)
    if origin is Literal:
        return label.startswith("literal[")
    name = str(getattr(origin or option, "__name__", option))
    bare = re.sub(r"^(function-\w+|lax-or-strict|json-or-python)\[", "", label)
    return bool(re.search(rf"(^|\W){re.escape(name)}(\W|$)", label if _is_model(option) else bare.partition("[")[0]))


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _inside(annotation: Any, part: str | int) -> list[Any]:
    """Return the annotations of what stands in a value under a key or an index; none where nothing is known."""
    if _is_model(annotation):
        fields = _fields(annotation)
        return [fields[part]] if part in fields else []
    arguments = [argument for argument in typing.get_args(annotation) if argument is not Ellipsis]
    origin = typing.get_origin(annotation)
    if not arguments or not isinstance(origin, type):
        return []
    if issubclass(origin, Mapping):
        return arguments[1:2]
    if isinstance(part, int):
        return [arguments[part]] if issubclass(origin, tuple) and part < len(arguments) > 1 else arguments[:1]
    return []
