"""Of a union only the branch that was meant is explained, with the key path of the file (case molecule-errors-hidden)."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from effbench.api import StrictParams
from effbench.explaining import first_problem


class Square(BaseModel):
    model_config = ConfigDict(extra="forbid")
    side: float
    marks: dict[str, int | Literal["auto"]] = {}

    @model_validator(mode="after")
    def _small(self) -> "Square":
        if self.side > 10:
            raise ValueError("side: 10 at most")
        return self


class Grid(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["grid"] = "grid"
    n: Annotated[int, Field(ge=1)] = 1
    inner: list[str | Square] | None = None


def _tag(value: Any) -> str:
    return "g" if isinstance(value, dict) and "n" in value else "s"


class Params(StrictParams):
    x: Grid | Square | str | None = None
    y: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    z: tuple[Grid | list[Square], ...] = ()
    pair: tuple[str, int | Square] = ("a", 1)
    by_name: dict[str, Grid | Square] | None = None
    tagged: Annotated[Annotated[Grid, Tag("g")] | Annotated[Square, Tag("s")], Discriminator(_tag)] = Grid()
    many: Annotated[tuple[str | Square, ...], Field(min_length=1)] = ("a",)


@pytest.mark.parametrize(
    ("given", "key", "message"),
    [
        ({"x": {"n": 0}}, ("x", "n"), "greater than or equal to 1, got 0"),
        ({"x": {"side": 11}}, ("x",), "side: 10 at most"),
        ({"x": {"side": "q"}}, ("x", "side"), "valid number"),
        ({"x": 3}, ("x",), "a mapping (Grid) or a mapping (Square) or a valid string, got 3"),
        ({"y": "atuo"}, ("y",), "did you mean 'auto'"),
        ({"y": 0}, ("y",), "greater than or equal to 1"),
        ({"y": [1]}, ("y",), "'auto' or a valid integer"),
        ({"z": [[{"side": "q"}]]}, ("z", 0, 0, "side"), "valid number"),
        (
            {"z": [{"inner": ["a", {"side": 1, "marks": {"k": "atuo"}}]}]},
            ("z", 0, "inner", 1, "marks", "k"),
            "did you mean 'auto'",
        ),
        ({"pair": ("a", {"side": 12})}, ("pair", 1), "10 at most"),
        ({"pair": ("a",)}, ("pair",), "item 1 is missing"),
        ({"by_name": {"str": {"n": 0}}}, ("by_name", "str", "n"), "got 0"),
        ({"tagged": {"n": 0}}, ("tagged", "n"), "got 0"),
        ({"many": [{"side": 11}]}, ("many", 0), "side: 10 at most"),
        ({"many": [{"side": 1, "marx": {}}]}, ("many", 0, "marx"), "did you mean 'marks'"),
        ({"z": [{"n": True}]}, ("z", 0, "n"), "got true"),
    ],
)
def test_the_branch_that_was_meant(given, key, message):
    with pytest.raises(ValidationError) as caught:
        Params.model_validate(given)
    found = first_problem(caught.value, Params)
    assert found[0] == key and message in found[1] and "more)" not in found[1], found


def test_further_problems_are_counted_once_each():
    with pytest.raises(ValidationError) as caught:
        Params.model_validate({"x": {"n": 0}, "z": [{"n": 0}, {"n": 0}]})
    assert first_problem(caught.value, Params)[1].endswith("(and 2 more)")
