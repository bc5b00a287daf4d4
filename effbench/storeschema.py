"""What the small files of a store must hold to be read: its plan, the suite it was made from, machines, and job results.

Only what a reader of ours uses is checked; a newer or older version may write more beside it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, TypeAdapter, model_validator

from effbench.record import Attempt, Count, Integer, Record

LOCK_SCHEMA = "effbench/store/1"

_ID = re.compile(r"[0-9a-f]{16}")


def is_cell_id(text: str) -> bool:
    """Return whether text can be a cell's id, which is the name of its folder: nothing but a hash is taken."""
    return _ID.fullmatch(text) is not None


CellId = Annotated[str, Field(pattern=rf"^{_ID.pattern}$")]

Positive = Annotated[int, Field(ge=1, lt=2**31)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Known(BaseModel):
    """The keys that are read, of a file that may hold more."""

    model_config = ConfigDict(extra="allow", frozen=True)


class PlannedCell(Record):
    """One cell of the suite as it is now."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: CellId
    task: str
    method: str


def _each_once(cells: tuple[PlannedCell, ...]) -> tuple[PlannedCell, ...]:
    seen: set[str] = set()
    for cell in cells:
        if cell.id in seen:
            raise ValueError(f"cell {cell.id} stands in it twice")
        seen.add(cell.id)
    return cells


PLAN = TypeAdapter(Annotated[tuple[PlannedCell, ...], AfterValidator(_each_once)])


class _Latency(_Known):
    batch_sizes: tuple[Positive, ...] = ()


class _Measure(_Known):
    latency: _Latency | None = None


class _Stats(_Known):
    ci: Annotated[float, Field(gt=0, lt=1)] | None = None


class LockedSuite(_Known):
    """The suite as resolved, as far as reports need it."""

    name: Annotated[str, Field(min_length=1)]
    measure: _Measure | None = None
    stats: _Stats | None = None


class Lock(_Known):
    """``suite.lock.yaml``."""

    suite: LockedSuite


class Machine(_Known):
    """``machine/<fingerprint>.json``: what stands in captions; its measured peaks may stand beside it."""

    cpu_model: str | None = None
    cores: Count | None = None
    memory_gb: Finite | None = None
    gpu: str | list[str] | None = None
    instructions: list[str] | None = None


class Sender(_Known):
    """``submission.yaml``, as far as reports need it: who sent a store in."""

    by: Annotated[str, Field(max_length=2000)] = ""


class _Repeats(_Known):
    pairs: Count
    first_s: float | None
    ratio: float | None
    p: float | None


class Summarised(_Known):
    """What a task made of the scores of a cell: metric key -> value, and -> what has to be read beside it."""

    values: dict[str, Finite]
    remarks: dict[str, tuple[str, ...]] = {}


class JobData(_Known):
    """What jobs leave besides tables; every kind of job has some of these."""

    load_s: float | None = None
    apply_s: float | None = None
    model_s: float | None = None
    score_s: float | None = None
    loop_s: float | None = None
    seconds: float | None = None
    artifact_sha256: str | None = None
    probe_sha256: str | None = None
    flags: list[str] | None = None
    peak_rss: Count | None = None
    peak_rss_growth: Integer | None = None
    hwm_reset: StrictBool | None = None
    parameter_bytes: Count | None = None
    device_allocated: Integer | None = None
    device_reserved: Integer | None = None
    device_process: Integer | None = None
    peak_rss_sampled: Integer | None = None
    resident_at_rest: Integer | None = None
    live_tensor_bytes: Integer | None = None
    kernels: list[tuple[str, int]] | None = None
    kernels_missing: list[str] | None = None
    repeats: _Repeats | None = None
    flops_by_dtype: dict[str, Finite] | None = None
    flops_by_item: list[Finite] | None = None
    bytes_moved: Finite | None = None
    least_bytes: Finite | None = None
    joules_per_call: Finite | None = None
    batch_size: Positive | None = None
    facts: dict[str, tuple[Finite, str, StrictBool]] | None = None
    fact_trainings: dict[str, Positive] | None = None
    facts_before_preparing: list[str] | None = None
    summary: Summarised | None = None

    def known(self) -> dict[str, Any]:
        """Return what the job left, by name."""
        return self.model_dump(exclude_unset=True)


NEEDED = {
    "prepare": ("seconds", "artifact_sha256"),
    "quality": ("probe_sha256", "model_s"),
    "memory": ("peak_rss", "peak_rss_growth", "hwm_reset"),
    "latency": ("load_s", "flags"),
    "energy": ("batch_size",),
    "summary": ("summary",),
}
"""Job -> what it cannot lack once it is done."""

TOGETHER = {"kernels": ("kernels_missing",), "flops_by_dtype": ("bytes_moved", "least_bytes")}


class JobResult(_Known):
    """``cells/<id>/jobs/<job>.json``: how a job ended and what it left."""

    status: Literal["done", "failed"]
    code_version: str
    attempt: Attempt
    data: JobData
    machine: str = ""
    earlier: tuple[Attempt, ...] = ()

    @property
    def tries(self) -> tuple[Attempt, ...]:
        """Return the attempts at the job, the last one last."""
        return (*self.earlier, self.attempt)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.status != self.attempt.status:
            raise ValueError(f"it is {self.status}, and its attempt {self.attempt.status}")
        if self.status == "failed":
            if self.attempt.reason is None:
                raise ValueError("it failed without a reason")
            return self
        needed = list(NEEDED.get(self.attempt.job.partition("-")[0], ()))
        for name, others in TOGETHER.items():
            needed += others if getattr(self.data, name) is not None else ()
        missing = [name for name in needed if getattr(self.data, name) is None]
        if missing:
            raise ValueError(f"a {self.attempt.job} job that is done has no {', '.join(missing)}")
        return self
