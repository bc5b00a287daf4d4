"""The quality pass: every batch run and scored under the artifact of its training, each committed whole.

A method may be prepared anew under every seed: then the rows of a seed come from the artifact of that seed, and what is
chosen by looking at scores (thresholds) is frozen once per training on the validation split, before the first of its batches.
"""

from __future__ import annotations

import contextlib
import copy
import json
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from statistics import fmean
from typing import Any

from effbench.api import Fact, Output, PluginError, Sample, Scores, System, Task, without_target
from effbench.atomic import write_bytes
from effbench.contract.facts import fact_problems, threshold_problems
from effbench.contract.outputs import only_times_problems, output_problems, picture_problems
from effbench.contract.samples import ids_sha256
from effbench.contract.scores import score_problems
from effbench.digest import digest, digest_with_times
from effbench.errors import one_line
from effbench.parts import (
    GROUP,
    SLICE,
    THRESHOLD,
    KeptOutputs,
    score_columns,
    write_outputs,
    write_part,
)
from effbench.runner.building import keep_promise, load_and_apply, probes_of
from effbench.runner.jobs import Batch, Done, JobSpec, Progress
from effbench.store import CellFolder


def quality(spec: JobSpec, connection: Connection) -> Done:
    """Run and score every batch, committing each; then hash a probe output of the first training's system."""
    bench = _Bench(spec, connection)
    _require_listed(spec)
    started = time.perf_counter()
    for batch in spec.batches:
        bench.enter(batch.seed)
        bench.commit(batch)
    spent = {"model_s": bench.model_s, "score_s": bench.score_s, "loop_s": time.perf_counter() - started}
    told = bench.facts_of_all()
    bench.enter(None)
    probe = probes_of(spec, bench.system, spec.probe_batch_size)[0]
    return Done({**bench.phases, **spent, "artifact_sha256": bench.artifact, "probe_sha256": digest(probe()), **told})


class _Bench:
    """The system of the training at hand, and what it has spent."""

    def __init__(self, spec: JobSpec, connection: Connection) -> None:
        self.spec, self.connection, self.folder = spec, connection, CellFolder(spec.cell_path)
        self.reference = KeptOutputs(spec.reference_outputs) if spec.reference_outputs else None
        self.model_s = self.score_s = 0.0
        self.names: frozenset[str] | None = None
        self._training: tuple[int | None] | None = None
        self._facts: dict[int | None, dict[str, Fact]] = {}
        self.enter(None)

    def enter(self, seed: int | None) -> None:
        """Build the system of a seed's training where it is not the one at hand; None: that of the first training."""
        trainings = self.spec.trainings or (None,)
        training = trainings[0] if seed is None or seed not in trainings else seed
        if self._training == (training,):
            return
        self.system = System()  # in place of the one before, since two may not fit into memory
        self.system, self.phases, self.artifact = load_and_apply(self.spec, training)
        self._facts[training] = facts_of(self.spec, self.system)
        self._training = (training,)
        self.thresholds = self._frozen(training)

    def facts_of_all(self) -> dict[str, Any]:
        """Return what a job tells of its facts: of several trainings the means, and over how many each is one."""
        for training in self.spec.trainings or (None,):
            if training not in self._facts:  # its rows were committed by an earlier attempt
                self.enter(training)
        given: dict[str, list[Fact]] = {}
        for facts in self._facts.values():
            for name, fact in facts.items():
                given.setdefault(name, []).append(fact)
        means = {name: _mean(name, facts) for name, facts in given.items()}
        return {
            "facts": {name: [fact.value, fact.unit, fact.higher_is_better] for name, fact in means.items()},
            "fact_trainings": {name: len(facts) for name, facts in given.items()},
            "facts_before_preparing": [name for name, fact in means.items() if fact.before_preparing],
        }

    def commit(self, batch: Batch) -> None:
        """Run, score and store a batch."""
        spec, folder = self.spec, self.folder
        outputs, seconds = self._run(batch)
        ids = [sample.id for sample in batch.samples]
        theirs = self.reference.batch(ids, batch.seed) if self.reference else None
        hashes = list(map(digest, outputs))
        untouched = digest_with_times(outputs) if spec.keep_outputs else ""
        started = time.perf_counter()
        scores = scored(spec.task, outputs, batch.samples, theirs)
        self.score_s += time.perf_counter() - started
        if spec.keep_outputs:
            if untouched != digest_with_times(outputs):
                raise PluginError(
                    "score changes the outputs that it is given, which are kept for comparison; copy them first"
                )
            self._keep(batch, ids, outputs)
        columns: dict[str, Any] = {
            "sample_id": ids,
            "seed": [batch.seed] * len(ids),
            "batch": [batch.key] * len(ids),
            GROUP: [sample.unit for sample in batch.samples],
            "output_sha256": hashes,
            "batch_s": [seconds] * len(ids),
            **slice_columns(batch.samples),
            **{THRESHOLD + name: [float(value)] * len(ids) for name, value in self.thresholds.items()},
        }
        metadata = {"code_version": spec.code_version, "reference": spec.reference_cell}
        write_part(folder.samples, batch.key, columns | score_columns(scores), metadata)
        with contextlib.suppress(ValueError, OSError):  # the method may have closed the log; the part is saved
            print(f"committed {batch.key}", flush=True)
        self.connection.send(Progress("batch", {"key": batch.key, "n": len(ids)}))

    def _run(self, batch: Batch) -> tuple[Sequence[Output], float]:
        """Return the outputs of a batch and the seconds that they took."""
        # What changes its samples must change no other seed's, nor what scores see.
        blind = [without_target(sample) for sample in copy.deepcopy(batch.samples)]
        started = time.perf_counter()
        outputs = self.spec.task.run(self.system, blind, batch.seed)
        seconds = time.perf_counter() - started
        self.model_s += seconds
        self.names = _require_outputs(outputs, batch, self.names)
        return outputs, seconds

    def _keep(self, batch: Batch, ids: Sequence[str], outputs: Sequence[Output]) -> None:
        """Store what of the outputs is worth its bytes, and how a reader is shown them."""
        task, folder = self.spec.task, self.folder
        captions = [_caption(task, sample) for sample in batch.samples]
        kept = [task.keep(output) for output in outputs]
        keep_promise(output_problems(kept, batch.samples, "keep"))
        write_outputs(folder.outputs, batch.key, ids, batch.seed, kept, captions)
        shown = []
        for sample, output in zip(batch.samples, outputs):
            pictures = task.preview(sample, output)
            keep_promise(picture_problems(pictures, sample))
            shown.append({picture.name: picture.pixels for picture in pictures})
        if any(shown):
            write_outputs(folder.previews, batch.key, ids, batch.seed, shown, captions)

    def _frozen(self, training: int | None) -> Mapping[str, float]:
        """Return the thresholds of a training, from the scores of the validation split; frozen once, then read."""
        task = self.spec.task
        if type(task).thresholds is Task.thresholds:
            return {}
        file = self.folder.thresholds_of(training)
        if (known := self.folder.read_thresholds(training)) is not None:
            return known
        seed = self.spec.validation_seed if training is None else training
        samples = tuple(task.samples("validation"))
        size = max(1, self.spec.batch_size)
        parts = []
        for start in range(0, len(samples), size):
            batch = Batch(seed, samples[start : start + size])
            outputs, _ = self._run(batch)
            parts.append(scored(task, outputs, batch.samples, None))
            self.connection.send(Progress("moves", {"text": "validation"}))
        found = task.thresholds(with_slices(_joined(parts), samples))
        keep_promise(threshold_problems(found))
        frozen = {name: float(value) for name, value in found.items()}
        write_bytes(file, json.dumps(frozen, indent=1).encode())
        return frozen


def _mean(name: str, facts: Sequence[Fact]) -> Fact:
    """Return the mean of a fact over trainings, to the bit its value where all have one: a claim may ask for it.

    Raises ``PluginError`` where trainings give it in different units or with different meanings.
    """
    if len({fact._replace(value=0.0) for fact in facts}) > 1:
        raise PluginError(
            f"the fact {name!r} has another unit or meaning under another seed: {facts[0]} and {facts[-1]}"
        )
    values = [fact.value for fact in facts]
    return facts[0]._replace(value=values[0] if len(set(values)) == 1 else fmean(values))


def facts_of(spec: JobSpec, system: System) -> dict[str, Fact]:
    """Return what the links of a chain compute about the system that they made; raise ``PluginError`` where two give one."""
    found: dict[str, Fact] = {}
    for method in spec.chain:
        computed = method.facts(system)
        keep_promise(f"{method.name}: {problem}" for problem in fact_problems(computed, found, spec.task))
        found |= {name: fact if isinstance(fact, Fact) else Fact(float(fact)) for name, fact in computed.items()}
    return found


def slice_columns(samples: Sequence[Sample]) -> dict[str, list[str]]:
    """Return ``slice.<attribute>`` -> the value of each sample, ``""`` where it has none."""
    attributes = dict.fromkeys(name for sample in samples for name in sample.slices)
    return {SLICE + name: [sample.slices.get(name, "") for sample in samples] for name in attributes}


def with_slices(scores: Scores, samples: Sequence[Sample]) -> Scores:
    """Return scores that know the slices of their samples."""
    slices = {name.removeprefix(SLICE): values for name, values in slice_columns(samples).items()}
    return Scores(scores.scalars, scores.arrays, scores.thresholds, slices)


def _joined(parts: Sequence[Scores]) -> Scores:
    import numpy as np

    scalars = {name: np.concatenate([part.scalars[name] for part in parts]) for name in parts[0].scalars}
    arrays = {name: [array for part in parts for array in part.arrays[name]] for name in parts[0].arrays}
    return Scores(scalars, arrays)


def _require_listed(spec: JobSpec) -> None:
    """Raise ``PluginError`` where this process lists other samples than the one that planned: no id could be trusted."""
    if spec.listed and ids_sha256(spec.task.samples("evaluation")) != spec.listed:
        raise PluginError(
            "samples('evaluation') gives other ids in another process; ids must never change: derive them from the "
            "data, never from hash(), a set's order or an unseeded generator"
        )


def _require_outputs(outputs: Any, batch: Batch, names: frozenset[str] | None) -> frozenset[str]:
    """Return the names of the arrays; raise ``PluginError`` where outputs break the contract or the names change."""
    keep_promise(output_problems(outputs, batch.samples, "run"))
    keep_promise(only_times_problems(outputs))
    found = frozenset(outputs[0])
    if names is not None and found != names:
        raise PluginError(
            f"run names the arrays of {batch.samples[0].id!r} {sorted(found)} and others {sorted(names)}; agree"
        )
    return found


def scored(task: Task, outputs: Sequence[Output], samples: Sequence[Sample], theirs: Sequence[Output] | None) -> Scores:
    """Return the scores of a batch; raise ``PluginError`` where they break the contract."""
    try:
        scores = task.score(outputs, copy.deepcopy(list(samples)), theirs)
    except (ValueError, KeyError, IndexError) as error:
        differs = (_first_mismatch(outputs, theirs, samples) or _left_out(outputs, theirs)) if theirs else ""
        if not differs:
            raise
        raise PluginError(f"score raised {one_line(error)}; {differs}") from error
    has_reference, untrained = theirs is not None, task.random_weights
    keep_promise(score_problems(task.metrics, scores, samples, with_reference=has_reference, random_weights=untrained))
    return scores


def _first_mismatch(outputs: Sequence[Output], theirs: Sequence[Output], samples: Sequence[Sample]) -> str:
    """Return the first array whose shape is not that of the reference's, or ""."""
    for sample, ours, other in zip(samples, outputs, theirs):
        for name in sorted(ours.keys() & other.keys()) or sorted(ours.keys() | other.keys()):
            shapes = [list(output[name].shape) if name in output else None for output in (ours, other)]
            if shapes[0] != shapes[1]:
                said = " against ".join("nothing" if shape is None else str(shape) for shape in shapes)
                return f"{name!r} of sample {sample.id!r} is {said} of the reference"
    return ""


def _left_out(outputs: Sequence[Output], theirs: Sequence[Output]) -> str:
    """Return what ``keep`` leaves out of a reference that the outputs have, or ""."""
    missing = sorted(outputs[0].keys() - theirs[0].keys())
    return f"keep leaves out {', '.join(missing)} of the reference: keep all that score reads" if missing else ""


def _caption(task: Task, sample: Sample) -> str:
    caption: Any = task.caption(sample)
    if not isinstance(caption, str):
        raise PluginError(f"caption() returned {type(caption).__name__} for {sample.id!r}; return a string")
    return caption
