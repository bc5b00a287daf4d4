"""Tables of trained architectures: what each reached, and what was known of it before, with its price.

A table is a YAML file beside a CSV file of one line per architecture:

    space: nas-bench-201
    rows: my-table.csv
    unit: share                      # of the truth: share (0 to 1) or percent
    truth: [seed0, seed1]            # columns; their mean is the truth, their agreement its ceiling
    low_fidelity:                    # column: what one value of it cost
      synflow: {cost_s: 0.02, cost_flops: 1.2e9}
      snip: {cost_s: 0.03, together: gradients}   # computed by one pass with others that say so: paid once

The CSV has the column ``cell`` (the space's own name of an architecture) and those named above. Shipped tables also say
``sha256`` of their rows.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from effbench.arrays import Array
from effbench.errors import BadInput, nearest
from effbench.nas.spaces import CELLS, SPACES, Code, Space
from effbench.stats.rank import kendall_tau

LARGEST = {"share": 1.0, "percent": 100.0}
"""Unit of a truth -> what it cannot exceed."""


class ColumnCost(BaseModel):
    """What one value of a column cost: seconds of one core, as measured where it was computed, and FLOPs, where known.

    Of a truth it is one training's. A training that cost 0 seconds is one whose price nobody told.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cost_s: Annotated[float, Field(ge=0)] = 0.0
    cost_flops: Annotated[float, Field(ge=0)] = 0.0
    shared_s: Annotated[float, Field(ge=0)] = 0.0
    """Spent once, however many values are computed then: the training of a supernet."""
    together: str = ""
    """The pass that computes this column and others that name it: who uses several of them pays for it once."""


NO_COST = ColumnCost()
PRICES = ("cost_s", "cost_flops", "shared_s")
"""What a column costs."""


def paid(names: Iterable[str], costs: Mapping[str, ColumnCost]) -> dict[str, ColumnCost]:
    """Return what is paid for columns: pass or column -> cost; of a pass each price is the highest of its columns' there."""
    found: dict[str, ColumnCost] = {}
    for name in sorted(names):
        cost = costs[name]
        key = f"pass {cost.together}" if cost.together else f"column {name}"
        before = found.get(key, cost)
        prices = {price: max(getattr(before, price), getattr(cost, price)) for price in PRICES}
        found[key] = ColumnCost(together=cost.together, **prices)
    return found


class TableHeader(BaseModel):
    """The YAML half of a table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: Literal["nas-bench-201", "nas-bench-graph"]
    rows: str
    truth: Annotated[list[str], Field(min_length=1)]
    unit: Literal["share", "percent"] = "share"
    truth_cost: ColumnCost = ColumnCost()
    low_fidelity: dict[str, ColumnCost] = {}
    sha256: str = ""
    what: str = ""
    source: str = ""
    licence: str = ""


@dataclass(frozen=True)
class NasTable:
    """Architectures [n] with truths [n, seeds] (shares of right answers) and columns [n] with their costs.

    ``left_out`` says of columns that cannot inform anybody why they are not among ``columns``.
    """

    name: str
    codes: Sequence[Code]
    truths: Array
    columns: Mapping[str, Array] = field(default_factory=dict)
    costs: Mapping[str, ColumnCost] = field(default_factory=dict)
    truth_cost: ColumnCost = NO_COST
    left_out: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""
    space: Space = CELLS

    @cached_property
    def truth(self) -> Array:
        """Return the mean over seeds [n]."""
        return np.asarray(self.truths.mean(1))

    @cached_property
    def forms(self) -> list[str]:
        """Return the canonical form of every architecture: isomorphs share it."""
        return [self.space.canonical(code) for code in self.codes]

    @property
    def label_cost(self) -> ColumnCost:
        """Return what the truth of one architecture cost: a training under every seed."""
        one, seeds = self.truth_cost, self.truths.shape[1]
        return ColumnCost(cost_s=seeds * one.cost_s, cost_flops=seeds * one.cost_flops)

    @cached_property
    def ceiling(self) -> float | None:
        """Return Kendall's tau between two trainings under different seeds, the mean over pairs of seeds; None with one seed.

        The truth is the mean of all of them, and steadier: what bounds a ranking of it is ``ceiling_of_mean``.
        """
        pairs = [
            kendall_tau(self.truths[:, a], self.truths[:, b]) for a, b in combinations(range(self.truths.shape[1]), 2)
        ]
        known = [tau for tau in pairs if tau is not None]
        return float(np.mean(known)) if known else None

    @property
    def ceiling_of_mean(self) -> float | None:
        """Return the tau that is expected of who knows what every architecture reaches on average; None with one seed."""
        return None if self.ceiling is None else best_tau(self.ceiling, self.truths.shape[1])


def best_tau(between_two: float, seeds: int) -> float:
    """Return the tau to a mean over ``seeds`` trainings that knowing its expectation gives, from that between two trainings.

    In a normal model of architectures and seeds tau is (2 / pi) arcsin of the correlation r (Kruskal 1958). One training
    agrees with another to r, the mean of k with its expectation to sqrt(k r / (1 + (k - 1) r)) (Spearman-Brown).
    """
    single = math.sin(math.pi / 2 * max(0.0, between_two))
    return 2 / math.pi * math.asin(math.sqrt(seeds * single / (1 + (seeds - 1) * single)))


def table_of(
    name: str,
    codes: Sequence[Code],
    truths: Array,
    columns: Mapping[str, Array],
    costs: Mapping[str, ColumnCost],
    truth_cost: ColumnCost = NO_COST,
    revision: str = "",
    space: Space = CELLS,
) -> NasTable:
    """Return a table without the columns that are constant or have a value that is no number; these are recorded."""
    left_out = {}
    for column, values in columns.items():
        bad = np.count_nonzero(~np.isfinite(values))
        if bad:
            left_out[column] = f"{bad} of {len(values)} values are not finite"
        elif len(values) and values.min() == values.max():
            left_out[column] = f"every value is {values[0]:g}"
    kept = {column: values for column, values in columns.items() if column not in left_out}
    priced = {c: costs.get(c, NO_COST) for c in kept}
    return NasTable(name, codes, truths, kept, priced, truth_cost, left_out, revision, space)


def read_table(file: Path) -> NasTable:
    """Return the table of a YAML file. Raises ``BadInput`` with one sentence for whatever is wrong with it or its rows."""
    header = _header(file)
    rows = file.parent / header.rows
    try:
        content = rows.read_bytes()
    except OSError as error:
        raise BadInput(f"{rows}: cannot be read: {error.strerror or error}") from None
    found = hashlib.sha256(content).hexdigest()
    if header.sha256 and found != header.sha256:
        raise BadInput(f"{rows}: its sha256 is not the one in {file.name}; the rows were changed or cut off")
    try:
        lines = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{rows}: not CSV in UTF-8: {error}") from None
    if len(lines) < 3:
        raise BadInput(f"{rows}: want a line of names and at least two architectures, got {len(lines)} lines")
    names = [name.strip() for name in lines[0]]
    wanted = ["cell", *header.truth, *header.low_fidelity]
    for name in wanted:
        if name not in names:
            raise BadInput(f"{rows}: no column {name!r}{nearest(name, names)}")
        if names.count(name) > 1:
            raise BadInput(f"{rows}: {names.count(name)} columns are called {name!r}")
    codes, numbers = _rows(rows, lines, names, header)
    truths = np.stack([numbers[name] for name in header.truth], 1)
    if truths.mean(1).min() == truths.mean(1).max():
        raise BadInput(
            f"{rows}: the truth of every architecture is {truths.mean(1)[0]:g}, which leaves nothing to rank"
        )
    if header.unit == "percent" and truths.max() <= 1:
        raise BadInput(
            f"{rows}: no truth exceeds {truths.max():g} percent; write 'unit: share' in {file.name} if that is what it is"
        )
    return table_of(
        file.stem,
        codes,
        truths / LARGEST[header.unit],
        {name: numbers[name] for name in header.low_fidelity},
        header.low_fidelity,
        header.truth_cost,
        found[:16],
        SPACES[header.space],
    )


def _header(file: Path) -> TableHeader:
    try:
        given = yaml.safe_load(file.read_text("utf-8"))
        return TableHeader.model_validate(given)
    except OSError as error:
        raise BadInput(f"{file}: cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{file}: not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        known = nearest(where, TableHeader.model_fields) if first["type"] == "extra_forbidden" else ""
        raise BadInput(f"{file}: {where}: {first['msg'].lower()}{known}") from None


def _rows(
    file: Path, lines: Sequence[Sequence[str]], names: Sequence[str], header: TableHeader
) -> tuple[list[Code], dict[str, Array]]:
    """Return the codes and every needed column; raise ``BadInput`` naming the line of what is missing or wrong."""
    places = {name: names.index(name) for name in (*header.truth, *header.low_fidelity)}
    columns: dict[str, list[float]] = {name: [] for name in places}
    codes: list[Code] = []
    first_line: dict[Code, int] = {}
    code_of, cell_at, largest = SPACES[header.space].code_of, names.index("cell"), LARGEST[header.unit]
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        if len(line) != len(names):
            raise BadInput(f"{file}: line {number} has {len(line)} cells, the first has {len(names)}")
        try:
            code = code_of(line[cell_at].strip())
        except BadInput as error:
            raise BadInput(f"{file}: line {number}: {error}") from None
        if code in first_line:
            raise BadInput(
                f"{file}: line {number}: the architecture of line {first_line[code]} again; keep one of the two"
            )
        first_line[code] = number
        codes.append(code)
        for name, place in places.items():
            is_truth = name in header.truth
            value = _number(line[place])
            if is_truth and not math.isfinite(value):
                raise BadInput(
                    f"{file}: line {number}: {name} is {line[place]!r}, and every architecture needs its truth"
                )
            if is_truth and not 0 <= value <= largest:
                hint = "; write 'unit: percent' if that is what it is" if 1 < value <= 100 else ""
                raise BadInput(
                    f"{file}: line {number}: {name} is {value:g}, want {header.unit} from 0 to {largest:g}{hint}"
                )
            columns[name].append(value)
    return codes, {name: np.array(values) for name, values in columns.items()}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
