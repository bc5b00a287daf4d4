"""The end of a cell: parts merged, setting written, record made from both; only then is the cell done."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime

from effbench.atomic import file_sha256
from effbench.numbers.parts import read_cell_parts
from effbench.numbers.record import make_record
from effbench.parts import drop_merged_parts, merge_parts, metadata_values, part_files
from effbench.record import SCHEMA, CellRecord, PublishedClaim
from effbench.runner.cells import Cell, TaskPlan
from effbench.runner.provenance import Surroundings, provenance
from effbench.runner.stopping import samples_used
from effbench.setting import Asked, Declared, DeclaredMetric, Place, Setting
from effbench.store import SAMPLE_KEY, SETTING, TIMING_KEY, CellFolder, Store, setting_bytes
from effbench.suite import Suite


def plan_sha256(suite: Suite, task: TaskPlan, cell: Cell) -> str:
    """Return the hash of all that a record must cover; a record made under another one is not done."""
    reference = task.reference
    content = {
        "samples": [sample.id for sample in task.samples],
        "seeds": suite.seeds,
        "metrics": task.entry.metrics,
        "latency": suite.measure.latency.model_dump() if suite.measure.latency else None,
        "memory": suite.measure.memory,
        "flops": suite.measure.flops,
        "inspect": suite.measure.inspect,
        "energy": suite.measure.energy,
        "stats": suite.stats.model_dump(include={"ci", "resamples"}),
        "place": [cell.task_id, cell.method_id, cell.role],
        "reference": reference.id if reference else None,
        "schema": SCHEMA,
        **({"weights": task.weights} if task.weights else {}),
        **({"stop": [suite.stats.model_dump(), task.comparisons]} if suite.stats.stop != "all_samples" else {}),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def setting_of(suite: Suite, task: TaskPlan, cell: Cell, store: Store, surroundings: Surroundings) -> Setting:
    """Return what was asked of a cell and what its plugins declared, as its record needs it."""
    used, stopping = samples_used(suite, task, cell, store)
    measure, reference = suite.measure, task.reference
    asked = Asked(
        seeds=tuple(suite.seeds),
        ci=suite.stats.ci,
        resamples=suite.stats.resamples,
        batch_sizes=tuple(measure.latency.batch_sizes) if measure.latency else None,
        memory=measure.memory,
        flops=measure.flops,
        inspect=measure.inspect,
        energy=measure.energy == "auto",
    )
    declared = Declared(
        metrics=tuple(DeclaredMetric.of(metric) for metric in task.metrics),
        kernels=tuple(name for method in cell.chain for name in method.kernels),
        claims=tuple(PublishedClaim(**asdict(claim)) for method in cell.chain for claim in method.claims),
        random_weights=task.task.random_weights,
        deterministic=task.task.deterministic,
        prepares=cell.needs_preparation,
        trainings=tuple(seed for seed in cell.trainings(suite.seeds) if seed is not None),
    )
    peaks = surroundings.calibration
    place = Place(
        device=task.device,
        machine=surroundings.machine,
        threads=surroundings.threads,
        cpus=surroundings.cpus,
        calibration=asdict(peaks) if peaks else None,
        no_calibration=surroundings.no_calibration,
    )
    return Setting(
        id=cell.id,
        suite=suite.name,
        task_id=cell.task_id,
        method_id=cell.method_id,
        role=cell.role,
        order=cell.order,
        execution=cell.execution,
        unsupported=cell.unsupported,
        identity=cell.identity,
        plan_sha256=plan_sha256(suite, task, cell),
        asked=asked,
        declared=declared,
        place=place,
        samples=tuple(sample.id for sample in task.samples[:used]),
        pool=len(task.samples),
        weights=task.weights,
        subset=task.subset_name,
        certificate=tuple(held.sentence for held in task.subset.certificate) if task.subset else (),
        resolutions=task.subset.resolutions if task.subset else {},
        stopping=stopping,
        reference_cell=reference.id if reference else None,
        scored_against=task.reference_of(cell),
    )


def finish_cell(suite: Suite, task: TaskPlan, cell: Cell, store: Store, surroundings: Surroundings) -> CellRecord:
    """Merge the parts of a cell, write its setting, make its record, write and return that."""
    folder = store.cell(cell.id)
    files = _merged(folder)
    setting = setting_of(suite, task, cell, store, surroundings)
    files[SETTING] = hashlib.sha256(setting_bytes(setting)).hexdigest()
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    source = provenance(cell, task.device, surroundings)
    record = make_record(setting, read_cell_parts(folder, setting, files), source, finished)
    folder.write_setting(
        setting
    )  # only now, since the record that names its hash follows at once: readers compare the two
    folder.write_record(record)
    for name in files:
        if name.endswith(".parquet") and not name.startswith("draws/"):
            drop_merged_parts((folder.path / name).parent, folder.path / name)
    return record


def _merged(folder: CellFolder) -> dict[str, str]:
    """Merge the tables of a cell and return file -> hash, with those of its replicates."""
    found = part_files(folder.path / "draws")[0]
    for parts, key in ((folder.samples, SAMPLE_KEY), (folder.timings, TIMING_KEY)):
        # Parts that were scored against different references stay apart: merged they could not be told apart again.
        merged = merge_parts(parts, key) if len(metadata_values(parts, "reference")) < 2 else None
        found += [merged] if merged is not None else []
    return {file.relative_to(folder.path).as_posix(): file_sha256(file) for file in found}
