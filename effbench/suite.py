"""The suite schema: a YAML file says which tasks, which methods, which seeds, and how to measure.

Unknown keys are refused, and every error is one sentence with file, line, column, key path and the nearest valid name.
``docs/suite.md`` and the editors' JSON Schema are generated from the models below.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from effbench.errors import BadInput, nearest
from effbench.explaining import explain
from effbench.yamlpos import Document, Key, has_comment, load, parse
from effbench.yamlscalar import LARGEST

SCHEMA = "effbench/suite/1"
NAME = r"^[a-z0-9][a-z0-9._-]*$"
LONGEST_NAME = 100
"""Names become folders and parts of file names, of which a file system takes 255 bytes."""
LONGEST_SHOWN = 120
"""Characters of an option that an error repeats."""
DAY_S = 86_400
"""Seconds of a day, the most that a suite may ask of one method's round: more is a slip of units."""
PART = re.compile(r"\[([^\[\]]+)\]|([^.\[\]]+)")
PATH = re.compile(rf"({PART.pattern})(\.?\[[^\[\]]+\]|\.[^.\[\]]+)*")
"""A key path: names between dots, each of which may stand in brackets."""
SWITCH_WORDS = {"yes": True, "on": True, "no": False, "off": False}


class Model(BaseModel):
    """Base of the schema: frozen, strict about types, finite, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True, allow_inf_nan=False)


def _switch(value: Any) -> Any:
    return SWITCH_WORDS.get(value.lower(), value) if isinstance(value, str) else value


def _off_is_none(value: Any) -> Any:
    return None if _switch(value) is False else value


def _off_is_a_word(value: Any) -> Any:
    return "off" if _switch(value) is False else value


def _distinct(values: list[Any] | None) -> list[Any] | None:
    seen: set[str] = set()
    for value in values or ():
        written = json.dumps(value, sort_keys=True, default=str)
        if written in seen:
            raise ValueError(f"{value!r} is given twice; a list of these may not repeat a value")
        seen.add(written)
    return values


Switch = Annotated[bool, BeforeValidator(_switch)]
"""true or false; the words yes, no, on and off are taken too, as YAML 1.1 does."""
Distinct = AfterValidator(_distinct)


class Samples(Model):
    """Which samples of the task's evaluation split are used."""

    subset: Annotated[
        str | None,
        Field(
            description="Condensed subset (`effbench subset`: a name that ships, or a .yaml file), or a name that the task "
            "itself knows; null: all samples."
        ),
    ] = None
    limit: Annotated[int | None, Field(ge=1, description="Use only the first so many samples, in fixed order.")] = None


class TaskEntry(Model):
    """One workload."""

    id: Annotated[
        str | None, Field(pattern=NAME, max_length=LONGEST_NAME, description="Name within the suite; default: `use`.")
    ] = None
    use: Annotated[str, Field(description="Registered task (`effbench list tasks`).")]
    with_: Annotated[dict[str, Any], Field(alias="with", description="Parameters (`effbench describe NAME`).")] = {}
    device: Annotated[
        str,
        Field(
            pattern=r"^(auto|cpu|cuda(:[0-9]{1,3})?)$",
            description="`auto`, `cpu`, `cuda` or `cuda:N`; auto prefers a GPU.",
        ),
    ] = "auto"
    dtype: Annotated[
        Literal["auto", "float32", "float16", "bfloat16"],
        Field(description="Precision of the reference; auto: float32 on a CPU, the paper's own on a GPU."),
    ] = "auto"
    samples: Annotated[Samples, Field(description="Which samples are used.")] = Samples()
    batch_size: Annotated[int, Field(ge=1, le=1_000_000, description="Samples per batch of the quality pass.")] = 8
    metrics: Annotated[
        list[str] | None, Field(min_length=1, description="Quality metrics to report; null: all."), Distinct
    ] = None

    @property
    def name(self) -> str:
        """Return the task's name within the suite."""
        return self.id or self.use


class LinkEntry(Model):
    """One method of a chain."""

    use: Annotated[str, Field(description="Registered method (`effbench list methods`).")]
    with_: Annotated[dict[str, Any], Field(alias="with", description="Parameters of the method.")] = {}


class MethodEntry(Model):
    """One submission: a method, or a chain of them (`use: a+b`, or `chain:` where the links take parameters)."""

    id: Annotated[
        str | None,
        Field(
            pattern=NAME,
            max_length=LONGEST_NAME,
            description="Name in tables; default: made from `use` and `matrix`.",
        ),
    ] = None
    use: Annotated[str | None, Field(description="Registered method, or several joined by `+`.")] = None
    with_: Annotated[dict[str, Any], Field(alias="with", description="Parameters of the method.")] = {}
    chain: Annotated[list[LinkEntry] | None, Field(min_length=1, description="Links in order, instead of `use`.")] = (
        None
    )
    matrix: Annotated[
        dict[str, Annotated[list[Any], Field(min_length=1), Distinct]],
        Field(description="Parameter -> values; one method per combination. In a chain: `method.parameter`."),
    ] = {}
    role: Annotated[
        Literal["method", "reference"], Field(description="The one `reference` is what all others are compared with.")
    ] = "method"
    tasks: Annotated[list[str] | None, Field(min_length=1, description="Task ids it runs on; null: all."), Distinct] = (
        None
    )

    @model_validator(mode="after")
    def _one_form(self) -> MethodEntry:
        if (self.use is None) == (self.chain is None):
            raise ValueError("give either `use` or `chain`")
        if self.with_ and (self.chain is not None or "+" in (self.use or "")):
            raise ValueError("`with` belongs to a single method; in a chain give it to the link (`chain:`)")
        if self.role == "reference" and self.matrix and math.prod(map(len, self.matrix.values())) > 1:
            raise ValueError("the reference must be a single method, not a matrix")
        return self


class Latency(Model):
    """How latency is timed: rounds of fresh processes that take turns in random order."""

    rounds: Annotated[int, Field(ge=1, le=10_000, description="Rounds; below 3 the interval of the ratio is null.")] = 3
    budget_s: Annotated[float, Field(gt=0, le=DAY_S, description="Timed seconds per method and round.")] = 3.0
    warmup_s: Annotated[
        float | None, Field(gt=0, le=DAY_S, description="Longest warm-up per method and round; null: `budget_s`.")
    ] = None
    batch_sizes: Annotated[
        list[Annotated[int, Field(ge=1, le=1_000_000)]],
        Field(min_length=1, description="Latency is timed at each; the first is primary."),
        Distinct,
    ] = [1]


class Measure(Model):
    """What is measured. Quality is always measured."""

    latency: Annotated[Latency | None, BeforeValidator(_off_is_none), Field(description="null or off: no latency.")] = (
        Latency()
    )
    memory: Annotated[Switch, Field(description="Peak and parameter memory, in a process of its own.")] = True
    flops: Annotated[Switch, Field(description="Count the FLOPs and the bytes of one call.")] = True
    inspect: Annotated[
        Switch, Field(description="List the kernels that run, and check that a repeated call is not cheaper.")
    ] = True
    energy: Annotated[
        Literal["auto", "off"],
        BeforeValidator(_off_is_a_word),
        Field(description="Energy; null with a reason where unreadable."),
    ] = "auto"


class Gate(Model):
    """A condition on a number; a run in which one fails exits with code 3.

    A bound is missed only where the number's interval lies wholly beyond it, since that interval is the measured spread
    from round to round and from sample to sample; ``tolerance: none`` compares the bare value.
    """

    metric: Annotated[str, Field(description="Name of a number in the report.")]
    method: Annotated[str, Field(description="A method's id, or a glob over them.")] = "*"
    task: Annotated[str, Field(description="A task's id, or a glob over them.")] = "*"
    min: Annotated[float | None, Field(description="Least value.")] = None
    max: Annotated[float | None, Field(description="Greatest value.")] = None
    min_ratio: Annotated[float | None, Field(description="Least value / reference value.")] = None
    max_ratio: Annotated[float | None, Field(description="Greatest value / reference value.")] = None
    tolerance: Annotated[
        Literal["interval", "none"],
        Field(description="`interval`: a bound within the measured spread of the number is met; `none`: never."),
    ] = "interval"

    @model_validator(mode="after")
    def _some_bound(self) -> Gate:
        if all(bound is None for bound in (self.min, self.max, self.min_ratio, self.max_ratio)):
            raise ValueError("a gate needs one of min, max, min_ratio, max_ratio")
        for least, most in (("min", "max"), ("min_ratio", "max_ratio")):
            low, high = getattr(self, least), getattr(self, most)
            if low is not None and high is not None and low > high:
                raise ValueError(f"{least} {low:g} is above {most} {high:g}; no number meets both")
        return self


class Stats(Model):
    """How uncertainty is stated."""

    ci: Annotated[float, Field(gt=0.5, lt=1, description="Level of every interval.")] = 0.95
    resamples: Annotated[int, Field(ge=200, le=100_000, description="Bootstrap resamples over samples.")] = 1000
    stop: Annotated[
        Literal["all_samples", "when_resolved"],
        Field(description="`when_resolved`: a method runs on more samples only until its difference is decided."),
    ] = "all_samples"
    stop_on: Annotated[
        str | None, Field(description="Metric whose difference to the reference decides; null: the primary one.")
    ] = None
    resolution: Annotated[
        float | None, Field(gt=0, description="A difference certain to be smaller than this is decided as none.")
    ] = None

    @model_validator(mode="after")
    def _stop_has_a_use(self) -> Stats:
        given = next((name for name in ("stop_on", "resolution") if getattr(self, name) is not None), None)
        if given and self.stop == "all_samples":
            raise ValueError(f"{given} needs stop: when_resolved")
        return self


class ExecutionEntry(Model):
    """How jobs run."""

    timeout_s: Annotated[
        float,
        Field(gt=0, le=1_000_000, description="Longest silence of a worker (a batch, a turn) before it is ended."),
    ] = 3600.0
    threads: Annotated[
        int | None,
        Field(ge=1, le=4096, description="CPU threads of a worker; null: the physical cores by `jobs`."),
    ] = None
    jobs: Annotated[
        int,
        Field(
            ge=1,
            le=4096,
            description="Workers at a time for all that is not timed, as far as there are cores: each has `threads`.",
        ),
    ] = 1
    cpus: Annotated[
        list[Annotated[int, Field(ge=0)]] | None,
        Field(
            min_length=1,
            description="Cores that workers are bound to; null: the first `threads` by `jobs` that are allowed.",
        ),
        Distinct,
    ] = None
    max_memory_gb: Annotated[
        float | None,
        Field(gt=0, le=1_000_000, description="Memory of one worker; null: 85 % of what was free at the start."),
    ] = None
    start: Annotated[
        Literal["fork", "spawn"],
        Field(description="Fork workers from a server that only imported, or spawn each afresh."),
    ] = "fork"
    on_error: Annotated[Literal["continue", "stop"], Field(description="What a failed cell does to the others.")] = (
        "continue"
    )


class OutputEntry(Model):
    """What is kept."""

    store: Annotated[
        str | None, Field(min_length=1, description="Folder; default: results/<name> where the command is run.")
    ] = None
    outputs: Annotated[
        Literal["reference", "all"], Field(description="Whose outputs are kept losslessly; the board shows them.")
    ] = "reference"


class Suite(Model):
    """A suite file."""

    schema_: Annotated[Literal["effbench/suite/1"], Field(alias="schema", description="Version of this format.")]
    name: Annotated[str, Field(pattern=NAME, max_length=LONGEST_NAME, description="A store belongs to this name.")]
    description: Annotated[str, Field(description="What the suite is for, in a sentence.")] = ""
    tasks: Annotated[list[TaskEntry], Field(min_length=1, description="Workloads.")]
    methods: Annotated[list[MethodEntry], Field(min_length=1, description="Submissions; each runs on every task.")]
    seeds: Annotated[
        list[Annotated[int, Field(ge=0, le=LARGEST)]],
        Field(min_length=1, description="Noise seeds; every sample runs under each."),
        Distinct,
    ] = [0]
    measure: Annotated[Measure, Field(description="What is measured besides quality.")] = Measure()
    gates: Annotated[list[Gate], Field(description="Conditions on numbers.")] = []
    stats: Annotated[Stats, Field(description="How uncertainty is stated.")] = Stats()
    execution: Annotated[ExecutionEntry, Field(description="How jobs run.")] = ExecutionEntry()
    output: Annotated[OutputEntry, Field(description="What is kept, and where.")] = OutputEntry()

    @model_validator(mode="after")
    def _one_reference(self) -> Suite:
        references = [m for m in self.methods if m.role == "reference"]
        if len(references) > 1:
            raise ValueError(f"{len(references)} methods have role: reference; at most one may")
        return self


@dataclass(frozen=True)
class LoadedSuite:
    """A suite together with the document it came from, so that later errors can still name line and column."""

    suite: Suite
    document: Document

    def error(self, key: Key, message: str) -> BadInput:
        """Return the ``BadInput`` that places ``message`` at a key path of the file."""
        return BadInput(f"{self.document.where(key)}: {message}")


def shipped_suites() -> dict[str, Path]:
    """Return name -> file of the suites in the package; those that need files from the Hub are named ``hub/...``."""
    folder = Path(str(files("effbench_suites")))
    return {
        str(file.relative_to(folder).with_suffix("")): file for file in sorted(folder.rglob("*.yaml")) if file.is_file()
    }


def find_suite(named: Path) -> Path:
    """Return the file that is named by its path or, where there is none, by the name of a suite that ships.

    Raises ``BadInput`` where it is neither.
    """
    if named.exists():
        return named
    shipped = shipped_suites()
    if (name := str(named)) in shipped:
        return shipped[name]
    hint = nearest(named.stem, shipped) if named.suffix in ("", ".yaml", ".yml") else ""
    raise BadInput(f"{named}: there is no such file, and no suite of that name ships{hint}")


def load_suite(path: Path, overrides: Sequence[str] = ()) -> LoadedSuite:
    """Return the validated suite of a YAML file with ``--set`` overrides applied; raise ``BadInput`` in one sentence."""
    document = load(path)
    if not isinstance(document.data, dict):
        raise BadInput(f"{document.where(())}: a suite is a mapping with the keys schema, name, tasks, methods")
    for override in overrides:
        document = _override(document, override)
    try:
        suite = Suite.model_validate(document.data)
    except ValidationError as error:
        raise BadInput(explain(error, document, Suite)) from None
    return LoadedSuite(suite, document)


def _override(document: Document, text: str) -> Document:
    """Return the document with one ``key.path=value`` applied; ``[...]`` holds a name that has dots of its own."""
    path, equals, value_text = text.partition("=")
    option = f"--set {text if text.isprintable() and len(text) <= LONGEST_SHOWN else repr(text[:LONGEST_SHOWN])}"
    if not equals or not PATH.fullmatch(path):
        raise BadInput(f"{option}: expected key.path=value")
    value = parse(value_text, option).data
    if has_comment(value_text, value):
        raise BadInput(f"{option}: what follows # is a comment to YAML; put a value that holds it into quotes")
    data = copy.deepcopy(document.data)
    target: Any = data
    key: list[str | int] = []
    parts = [bracketed or plain for bracketed, plain in PART.findall(path)]
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        if isinstance(target, list):
            index = _item(target, part, f"{option}: {'.'.join(parts[:position])}")
            key.append(index)
            if last:
                target[index] = value
            else:
                target = target[index]
        elif isinstance(target, dict):
            key.append(part)
            if last:
                target[part] = value
            else:
                if target.get(part) is None:
                    target[part] = {}
                target = target[part]
        else:
            raise BadInput(f"{option}: {'.'.join(parts[:position])} is not a mapping or a list")
    return replace(document, data=data, overrides={**document.overrides, tuple(key): option})


def _item(items: list[Any], part: str, where: str) -> int:
    """Return the index of the one item that a part of a path means: by its number, its id or what it uses."""
    named = [i for i, item in enumerate(items) if isinstance(item, dict) and item.get("id") == part]
    if not named:
        named = [i for i, item in enumerate(items) if isinstance(item, dict) and item.get("use") == part]
    numbered = [i for i in range(len(items)) if str(i) == part]
    found = sorted({*named, *numbered})
    if not found:
        names = [str(item.get("id") or item.get("use")) for item in items if isinstance(item, dict)]
        raise BadInput(f"{where} has no item {part!r}{nearest(part, names)}")
    if len(found) > 1:
        raise BadInput(f"{where} has {len(found)} items that {part!r} may mean, number {' and '.join(map(str, found))}")
    return found[0]
