"""What a generated cell is and what its jobs leave, drawn from a seed: nothing here was measured.

Each kind of thing has random numbers of its own, so that a reference's times are known without drawing its scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from effbench.api import Metric, Scores
from effbench.api.samples import weighted_means
from effbench.record import Attempt, Identity, Link, PublishedClaim
from effbench.stats.bootstrap import cluster_weights
from effbench.stats.resampled import Resampled
from effbench.storeschema import JobData, JobResult
from effbench.timings import Timings

CATEGORIES = ("animal", "food", "object", "symbol")
QUALITY = (
    Metric("prompt_accuracy", "share", higher_is_better=True, primary=True),
    *(Metric("prompt_accuracy", "share", higher_is_better=True, slice=f"category={name}") for name in CATEGORIES),
    Metric("alignment", "", higher_is_better=True, bounds=(-1.0, 1.0)),
    Metric("feature_distance", "", higher_is_better=False, needs_reference=True, bounds=(0.0, float("inf"))),
)
FAMILIES = ("vidit-q", "dit-fast-attn", "mixdq", "teacache", "fewer-steps", "tome", "smoothquant", "svdquant")
MACHINE = "9e4e7a7ed000"
SUBSET = "emoji-generated"
ROUNDS, ITEMS, CALLS, RESAMPLES = 3, 2, 4, 200
OF_SCORES, OF_TIMES, OF_JOBS = 0, 1, 2
"""What a generator of random numbers is for."""


@dataclass(frozen=True)
class GeneratedCell:
    """Which cell of a generated store: ``method`` 0 is its task's reference."""

    seed: int
    task: int
    method: int
    samples: int

    @property
    def task_id(self) -> str:
        return f"task-{self.task:03d}"

    @property
    def family(self) -> str:
        return "reference" if self.method == 0 else FAMILIES[self.method % len(FAMILIES)]

    @property
    def passed(self) -> dict[str, int]:
        return {} if self.method == 0 else {"weight_bits": 4 + self.method % 5, "steps": 5 + self.method}

    @property
    def method_id(self) -> str:
        return f"{self.family}-{self.method}" if self.method else self.family

    @property
    def identity(self) -> Identity:
        return Identity(
            task="t2i",
            task_params={"system": "zoo:emoji-pixart", "prompts": "emoji-pool", "steps": 20, "guidance": self.task},
            system_revision="8c2d6a0e4b1f",
            chain=(Link(use=self.family, passed=self.passed, defaulted={"group": 64, "rounding": "nearest"}),),
            device_class="cpu",
            dtype="float32",
        )

    @property
    def id(self) -> str:
        return self.identity.cell_id

    @property
    def reference(self) -> GeneratedCell:
        return GeneratedCell(self.seed, self.task, 0, self.samples)

    @property
    def kind(self) -> str:
        """``real``, ``simulated`` (one in eight), ``oom`` (its quality job; one in fifty) or ``timeout`` (of its timing)."""
        if self.method and self.method % 8 == 3:
            return "simulated"
        return {10: "oom", 45: "timeout"}.get(self.method % 50, "real")

    @property
    def prepares(self) -> bool:
        return self.method % 2 == 1

    def random(self, what: int) -> np.random.Generator:
        """Return random numbers for scores, times or jobs."""
        return np.random.default_rng([self.seed, self.task, self.method, what])


@cache
def samples_of(count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids of so many samples, in order, and the category of each."""
    return tuple(f"emoji-{i:05d}" for i in range(count)), tuple(CATEGORIES[i % len(CATEGORIES)] for i in range(count))


def scores_of(cell: GeneratedCell) -> Scores:
    """Return the scores of its samples; a reference is at no distance from itself."""
    rng, (ids, categories) = cell.random(OF_SCORES), samples_of(cell.samples)
    skill = 0.8 if cell.method == 0 else rng.uniform(0.55, 0.85)
    hits = (rng.random(len(ids)) < skill).astype(np.float64)
    distance = np.zeros(len(ids)) if cell.method == 0 else rng.gamma(4.0, 0.02, len(ids))
    aligned = rng.normal(0.3 * skill, 0.05, len(ids)).clip(-1, 1)
    scalars = {"prompt_accuracy": hits, "alignment": aligned, "feature_distance": distance}
    return Scores(scalars, slices={"category": categories})


def draws_of(scores: Scores) -> dict[str, Resampled]:
    """Return the weighted mean of each metric on every resample, as ``stats.resampled.resample`` gives it, all at once."""
    found = {}
    for metric in QUALITY:
        inside = scores.within(metric)
        weights = _weights(len(inside))[:, inside]
        with np.errstate(invalid="ignore"):
            rows = weights @ scores.scalars[metric.name][inside] / weights.sum(1)
        found[metric.key] = Resampled(0.0, rows, np.zeros(0), np.zeros((0, 0)))
    return found


@cache
def _weights(count: int) -> np.ndarray:
    return np.array(list(cluster_weights(samples_of(count)[0], RESAMPLES, 0)))


@lru_cache(maxsize=64)
def timings_of(cell: GeneratedCell) -> Timings:
    """Return its rounds: in each a first call of every item, then some steady ones."""
    rng = cell.random(OF_TIMES)
    pace = 1.0 if cell.method == 0 else rng.uniform(0.5, 1.1)
    # The speed of a round is the machine's: the reference of the round has it too.
    speeds = np.random.default_rng([cell.seed, cell.task]).normal(1.0, 0.02, ROUNDS)
    names = [f"r{at + 1:03d}" for at in range(ROUNDS)]
    items = list(range(ITEMS)) * CALLS
    quiet = {"foreign_share": 0.004, "steal_share": 0.0, "clock_spread": 0.01 + 0.01 * (cell.method % 4), "load": 0.6}
    steady, first = {}, []
    for name, speed in zip(names, speeds):
        walls = 4e8 * speed * pace * (1 + 0.3 * np.arange(ITEMS)) * rng.lognormal(0, 0.01, (1 + CALLS, ITEMS))
        first += [int(wall) for wall in walls[0]]
        steady[name] = [int(wall) for wall in walls[1:].ravel()]
    noise = {name: quiet | {"throttled": 0.0} for name in names}
    return Timings(steady, first, [0.8] * ROUNDS, (), noise, dict.fromkeys(names, items))


def jobs_of(cell: GeneratedCell) -> dict[str, JobResult]:
    """Return what the jobs of a cell leave besides tables."""
    rng, probe = cell.random(OF_JOBS), f"{cell.task:032x}{cell.method:032x}"
    saved = 0 if cell.method == 0 else int(4e6 * rng.random())
    found = {}
    if cell.prepares:
        found["prepare"] = _job("prepare", {"seconds": float(rng.uniform(1, 90)), "artifact_sha256": probe})
    if cell.kind == "oom":
        return found | {"quality": _job("quality", {}, "oom", "killed at 7.1 GB (generated)")}
    facts = {"mean_bits": (4.0 + cell.method % 5, "bit", False)}
    spent = {"load_s": 0.8, "model_s": 5.0, "score_s": 0.4, "loop_s": 5.6}
    found["quality"] = _job("quality", {"probe_sha256": probe, "facts": facts, **spent})
    scores = scores_of(cell)
    values = weighted_means(QUALITY, scores)(np.ones(cell.samples))
    found["summary"] = _job("summary", {"summary": {"values": values}})
    if cell.kind == "simulated":
        return found
    found["inspect"] = _job(
        "inspect",
        {"flops_by_dtype": {"float32": 3.2e9 * float(rng.uniform(0.5, 1))}, "bytes_moved": 2.5e8, "least_bytes": 1e8,
         "kernels": [("aten::mm", 40)], "kernels_missing": [],
         "repeats": {"pairs": 5, "first_s": 0.4, "ratio": 0.99, "p": 0.6}},
    )  # fmt: skip
    found["memory"] = _job(
        "memory",
        {"peak_rss": 900_000_000, "peak_rss_growth": 410_000_000 - saved, "hwm_reset": True, "probe_sha256": probe,
         "parameter_bytes": 10_520_000 - saved, "live_tensor_bytes": 10_520_000 - saved,
         "resident_at_rest": 500_000_000 - saved},
    )  # fmt: skip
    if cell.kind == "timeout":
        return found | {"latency": _job("latency", {}, "timeout", "no call within 600 s (generated)")}
    return found | {"latency": _job("latency", {"load_s": 0.8, "flags": [], "probe_sha256": probe})}


def _job(name: str, data: dict, reason: str | None = None, message: str = "") -> JobResult:
    status = "failed" if reason else "done"
    when = "2026-01-01T00:00:00+00:00"
    attempt = Attempt(job=name, status=status, reason=reason, message=message, started_utc=when, seconds=7.5)
    known = JobData.model_validate(data)
    return JobResult(status=status, code_version="generated", machine=MACHINE, attempt=attempt, data=known)


def claims_of(cell: GeneratedCell) -> tuple[PublishedClaim, ...]:
    """Return what a paper claims: of two families in eight a number that compares with ours, else of another setting."""
    if cell.method == 0:
        return ()
    common = {"setting": "PixArt-alpha, 20 steps, A100", "source": "generated, Table 1"}
    speed = PublishedClaim(metric="speed-up", value=1.4, unit="x", number="speedup", **common)
    kept = PublishedClaim(
        metric="accuracy kept", value=0.97, unit="", number="prompt_accuracy", as_ratio=True, **common
    )
    comparable = {"mixdq": (speed,), "svdquant": (kept,)}.get(cell.family, ())
    far = PublishedClaim(
        metric="FID", value=23.1, unit="", not_comparable="it is of COCO, and no task here is", **common
    )
    elsewhere = speed.model_copy(update={"holds_for": {"device_class": "cuda", "steps": 20}})
    return (*comparable, elsewhere, far)
