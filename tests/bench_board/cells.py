"""One generated cell on disk: its parts as jobs leave them, and the record that the library makes of those.

All that follows from what was drawn (means, intervals, ratios, checks) is made by the library, as at the end of a run;
``effbench verify --level recompute`` finds nothing to say about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench_board.drawn import (
    CALLS,
    ITEMS,
    MACHINE,
    QUALITY,
    RESAMPLES,
    SUBSET,
    GeneratedCell,
    claims_of,
    draws_of,
    jobs_of,
    samples_of,
    scores_of,
    timings_of,
)
from effbench.atomic import file_sha256
from effbench.numbers.parts import JOBS, CellParts, Rows, Timed
from effbench.numbers.record import make_record
from effbench.parts import MERGED, SLICE, score_columns, write_part
from effbench.record import CellRecord, Provenance
from effbench.replicates import Replicates, cluster_hash, write_replicates
from effbench.setting import Asked, Declared, DeclaredMetric, Place, Setting
from effbench.store import CellFolder
from effbench.timings import Timings

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PACKAGES = ["torch", "diffusers", "transformers", "torchmetrics", "numpy", "scipy", "numba", "pyarrow", "pydantic"]


def write_cell(folder: CellFolder, cell: GeneratedCell) -> CellRecord:
    """Write a cell with all that a run leaves, its record last, and return that."""
    setting, jobs = setting_of(cell), jobs_of(cell)
    files: list[Path] = []
    rows = draws = None
    if cell.kind != "oom":
        ids, _ = samples_of(cell.samples)
        rows = Rows(scores_of(cell), ids, ids, (0,) * len(ids))
        draws = Replicates.of(draws_of(rows.scores), cluster_hash(ids, (0,), ids))
        files = [_write_samples(folder, rows, setting), *write_replicates(folder, draws)]
    timed: tuple[Timed, ...] = ()
    if cell.kind == "real":
        timed = (Timed(1, timings_of(cell), timings_of(cell.reference)),)
        files.append(_write_timings(folder, timed[0].ours))
    for name, job in jobs.items():
        folder.write_job(name, job)
    folder.write_setting(setting)
    parts = CellParts(
        jobs={name: jobs.get(name) for name in JOBS},
        preparations=(jobs["prepare"],) if cell.prepares else (),
        reference_memory=jobs_of(cell.reference)["memory"] if cell.method else None,
        rows=rows,
        replicates=draws,
        timed=timed or (Timed(1, Timings({}), timings_of(cell.reference)),),
        scored_against=frozenset([setting.scored_against] if rows else ()),
        files=_hashes(folder, [*files, folder.path / "setting.json"]),
    )
    finished = (BEGIN + timedelta(minutes=cell.method, days=cell.task)).isoformat(timespec="seconds")
    record = make_record(setting, parts, provenance_of(cell), finished)
    folder.write_record(record)
    return record


def setting_of(cell: GeneratedCell) -> Setting:
    """Return what a suite would have asked of the cell."""
    ids, _ = samples_of(cell.samples)
    return Setting(
        id=cell.id,
        suite="generated",
        task_id=cell.task_id,
        method_id=cell.method_id,
        role="method" if cell.method else "reference",
        order=cell.method,
        execution="simulated" if cell.kind == "simulated" else "real",
        unsupported=None,
        identity=cell.identity,
        plan_sha256=f"{cell.task:016x}",
        asked=Asked(
            seeds=(0,),
            ci=0.95,
            resamples=RESAMPLES,
            batch_sizes=(1,),
            memory=True,
            flops=True,
            inspect=True,
            energy=True,
        ),
        declared=Declared(
            metrics=tuple(map(DeclaredMetric.of, QUALITY)),
            kernels=(),
            claims=claims_of(cell),
            random_weights=False,
            deterministic=True,
            prepares=cell.prepares,
            trainings=(),
        ),
        place=Place(device="cpu", machine=MACHINE, threads=2, cpus=(0, 1)),
        samples=ids,
        pool=len(ids),
        weights=None,
        subset=SUBSET,
        certificate=tuple(
            f"{metric}, on other methods: tau 0.93 [0.90, 0.95], 0.88 for as many random samples (generated)"
            for metric in ("prompt_accuracy", "alignment")
        ),
        resolutions={"prompt_accuracy": 0.03, "alignment": 0.002},
        stopping=None,
        reference_cell=cell.reference.id,
        scored_against=cell.reference.id,
    )


def provenance_of(cell: GeneratedCell) -> Provenance:
    """Return a provenance of the usual length, the same wherever a store is generated."""
    return Provenance(
        effbench_version="0.1.0",
        git_commit="0" * 40,
        git_dirty=False,
        code_version="generated",
        origins={"task": "effbench 0.1.0", f"method {cell.family}": "effbench 0.1.0"},
        packages=dict.fromkeys(PACKAGES, "1.2.3"),
        python="3.11.7",
        machine=MACHINE,
        device="cpu",
        command="python -m bench_board.stores",
        threads=2,
        cpus=(0, 1),
    )


def _write_samples(folder: CellFolder, rows: Rows, setting: Setting) -> Path:
    columns = {"seed": list(rows.seeds), "sample_id": list(rows.ids), "group": list(rows.groups)}
    columns |= {SLICE + name: list(values) for name, values in rows.scores.slices.items()}
    scored = {"reference": setting.scored_against}
    return write_part(folder.samples, MERGED, columns | score_columns(rows.scores), scored)


def _write_timings(folder: CellFolder, timings: Timings) -> Path:
    table: dict[str, list[object]] = {}
    for at, (name, steady) in enumerate(timings.steady.items()):
        calls = [*timings.first[at * ITEMS : (at + 1) * ITEMS], *steady]
        count = len(calls)
        columns: Mapping[str, list[object]] = {
            "round": [name] * count,
            "batch_size": [1] * count,
            "turn": [call // ITEMS for call in range(count)],
            "iteration": list(range(count)),
            "item": [call % ITEMS for call in range(count)],
            "phase": ["first"] * ITEMS + ["steady"] * (ITEMS * CALLS),
            "wall_ns": list(calls),
            "load_s": [timings.load_s[at]] * count,
            "flags": [""] * count,
            "machine": [MACHINE] * count,
            **{column: [value] * count for column, value in timings.noise[name].items()},
        }
        for column, values in columns.items():
            table.setdefault(column, []).extend(values)
    return write_part(folder.timings, MERGED, table, {})


def _hashes(folder: CellFolder, files: list[Path]) -> dict[str, str]:
    return {file.relative_to(folder.path).as_posix(): file_sha256(file) for file in files}
