"""Levels ``regenerate`` and ``remeasure``: the method run again by whoever verifies, beside its reference.

The suite that stands in the submission is run by ``effbench run`` in a process of its own, as any suite is: with isolation,
rounds and guards. The method's code, and what it is prepared with, are the verifier's.
"""

from __future__ import annotations

import copy
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from effbench.errors import StoreError
from effbench.legible import legible
from effbench.parts import read_parts, scores_of
from effbench.record import CellRecord
from effbench.stats.permutation import sign_flip_p
from effbench.store import SAMPLE_KEY, CellFolder, StoreView, read_lock, read_store
from effbench.submission.checking import Finding, LevelOutcome
from effbench.submission.costs import COUNTED, costs_of, number_text
from effbench.submission.manifest import read_manifest
from effbench.submission.moves import ROUNDING, moved_scores
from effbench.submission.settings import read_suite

REPRODUCED = 0.25
"""Of the spread of a score over samples: how far samples may move (root mean square) on another machine. A choice: rounding
that another processor does otherwise is to pass, other weights, bits or steps are not; no pair of machines was measured."""
DIRECTED = 0.05
"""Level of the sign-flip test that moves have a direction: what goes both ways, as answers that flip do, favours nobody."""
FEWEST = 6
"""Moves below which no sign-flip test gets to that level: then the size alone decides."""


class Rerun(NamedTuple):
    """A cell as it was sent in and as it came out here, with the cells that each ran beside."""

    sent: CellRecord
    here: CellRecord
    sent_folder: CellFolder
    here_folder: CellFolder


def regenerate(path: Path) -> LevelOutcome:
    """Return whether the method gives the scores that were sent in when it is run again."""
    findings: list[Finding] = []
    compared, worst, notes = 0, 0.0, []
    with tempfile.TemporaryDirectory(prefix="effbench-verify-") as scratch:
        for again in _rerun(path, Path(scratch), with_costs=False):
            where = f"{again.sent.task_id}/{again.sent.method_id}"
            moves = _moves(again)
            if isinstance(moves, str):
                findings.append(Finding(where, moves))
                continue
            compared += moves.rows
            worst = max([worst, *(abs(move) for move in moves.by_name.values())])
            notes.append(f"{where}: {moves.equal} of {moves.rows} outputs are the same to the bit")
            findings += [Finding(where, f"of the same outputs {legible(said)}") for said in moves.other_scores]
            findings += [Finding(where, said) for said in _other_facts(again)]
            findings += [
                Finding(where, f"{legible(name)}: samples move by {abs(move):.2g} of their spread, all to one side")
                for name, move in moves.by_name.items()
                if not abs(move) <= REPRODUCED
            ]
    return LevelOutcome("regenerate", tuple(findings), compared, worst, notes=tuple(notes))


def remeasure(path: Path) -> LevelOutcome:
    """Return whether the method is as much faster and as small here as was sent in: times, weights, operations, peak."""
    findings: list[Finding] = []
    compared, notes = 0, []
    measure = read_suite(path).measure
    if measure.latency is None and not measure.memory and not (measure.inspect and measure.flops):
        return LevelOutcome("remeasure", (), 0, missing="the suite measures nothing besides quality")
    with tempfile.TemporaryDirectory(prefix="effbench-verify-") as scratch:
        for again in _rerun(path, Path(scratch), with_costs=True):
            where = f"{again.sent.task_id}/{again.sent.method_id}"
            for sent, here, is_worse in costs_of(again.sent, again.here):
                compared += sent.value is not None
                said = f"{sent.name}: {number_text(sent)} sent in, {number_text(here)} here"
                notes.append(f"{where}: {said}")
                if is_worse:
                    findings.append(Finding(where, said))
    return LevelOutcome("remeasure", tuple(findings), compared, notes=tuple(notes))


def _rerun(path: Path, scratch: Path, *, with_costs: bool) -> Iterator[Rerun]:
    """Run the method's cells again and yield each with its twin; raise ``StoreError`` where the run does not end well."""
    manifest, view = read_manifest(path), read_store(path)
    own = [cell for cell in view.cells if cell.id in manifest.cells]
    (scratch / "suite.yaml").write_text(yaml.safe_dump(_suite(path, with_costs), sort_keys=False), "utf-8")
    chosen = [word for cell in own for word in ("--only", f"{cell.task_id}/{cell.method_id}")]
    # -P: the working folder may be a stranger's, and is not to be imported from.
    python = [sys.executable, "-P", "-m", "effbench"]
    command = [*python, "run", str(scratch / "suite.yaml"), "--store", str(scratch / "store")]
    done = subprocess.run(
        [*command, *chosen], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in (0, 1) or not (scratch / "store").is_dir():
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise StoreError(legible(f"the method could not be run again: {last}"))
    here = {(cell.task_id, cell.method_id): cell for cell in _finished(scratch / "store", done.stderr).cells}
    for cell in own:
        twin = here.get((cell.task_id, cell.method_id))
        if twin is None:
            raise StoreError(f"{cell.task_id}/{cell.method_id} could not be run again: {_last(done.stderr)}")
        folders = (CellFolder(root / "cells" / c.id) for root, c in ((path, cell), (scratch / "store", twin)))
        yield Rerun(cell, twin, *folders)


def _finished(store: Path, said: str) -> StoreView:
    try:
        return read_store(store)
    except StoreError:
        raise StoreError(f"the method could not be run again: {_last(said)}") from None


def _last(said: str) -> str:
    return legible((said.strip().splitlines() or ["it said nothing"])[-1])


def _suite(path: Path, with_costs: bool) -> dict[str, Any]:
    """Return the suite of a submission, without what a level does not need."""
    suite = copy.deepcopy(read_lock(path))
    suite["gates"], suite["output"] = [], {"outputs": "reference"}
    nothing = {"latency": None, "memory": False, "flops": False, "inspect": False}
    suite["measure"] = {**(suite.get("measure") or {} if with_costs else nothing), "energy": "off"}
    return suite


class _Moves(NamedTuple):
    """By how much samples moved to one side in each score, in spreads over samples; how many rows, and equal outputs."""

    by_name: dict[str, float]
    rows: int
    equal: int
    other_scores: list[str]
    """Sentences on scores that differ although the outputs are the same to the bit."""


def _moves(again: Rerun) -> _Moves | str:
    """Return what moved, or a sentence where nothing can be compared."""
    if again.here.identity != again.sent.identity:
        return "the suite that was sent in runs something else than its records say (their identities differ)"
    if again.here.status != "complete":
        failed = next((a.message for a in reversed(again.here.attempts) if a.status == "failed"), "")
        return legible(f"did not end well here: {failed or 'it is not complete'}")
    sent, here = (read_parts(folder.samples, SAMPLE_KEY) for folder in (again.sent_folder, again.here_folder))
    if sent is None or here is None:
        return "has no scores"
    place = {key: row for row, key in enumerate(zip(*(here[name].to_pylist() for name in SAMPLE_KEY)))}
    keys = list(zip(*(sent[name].to_pylist() for name in SAMPLE_KEY)))
    if missing := [key for key in keys if key not in place]:
        return f"sample {legible(str(missing[0][1]))!r} is not among those that the task gives here"
    if again.sent.stopping is None and (left_out := [key for key in place if key not in set(keys)]):
        return f"sample {legible(str(left_out[0][1]))!r} of the task was left out"
    order = [place[key] for key in keys]
    theirs, ours = scores_of(sent).scalars, scores_of(here.take(order)).scalars
    if lost := [name for name in theirs if name not in ours]:
        return f"{legible(lost[0])}: the task gives no such score here"
    hashes = [table["output_sha256"].to_pylist() for table in (sent, here.take(order))]
    pairs = {name: (np.asarray(theirs[name]), np.asarray(ours[name])) for name in theirs if name in ours}
    equal = np.array([a == b for a, b in zip(*hashes)])
    other = [moved_scores(name, a[equal], b[equal])[0] for name, (a, b) in pairs.items()] if equal.any() else []
    return _Moves(
        {name: _move(*pair) for name, pair in pairs.items()}, len(keys), int(equal.sum()), list(filter(None, other))
    )


def _move(sent: Any, here: Any) -> float:
    """Return the root mean square move in standard deviations of what was sent in, 0 where it has no direction.

    It is infinite where other rows are defined, or where scores that do not differ over samples have moved.
    """
    both = np.isfinite(sent) & np.isfinite(here)
    if (np.isfinite(sent) != np.isfinite(here)).any():
        return float("inf")
    if not both.any() or (sent[both] == here[both]).all():
        return 0.0
    moves, spread = here[both] - sent[both], float(sent[both].std())
    p = sign_flip_p(moves)
    if len(moves) >= FEWEST and p is not None and p > DIRECTED:
        return 0.0
    size = float(np.sqrt(np.square(moves).mean()))
    return size / spread if spread else float("inf") if size > ROUNDING * float(np.abs(sent[both]).max()) else 0.0


def _other_facts(again: Rerun) -> Iterator[str]:
    """Yield a sentence per fact that the method computes otherwise here."""
    here = {number.name: number.value for number in again.here.numbers if number.axis == "facts"}
    for number in again.sent.numbers:
        if number.axis != "facts" or number.value is None:
            continue
        value = here.get(number.name)
        if value is None or abs(value - number.value) > COUNTED * max(abs(value), abs(number.value)):
            found = "not there" if value is None else f"{value:.6g}"
            yield legible(f"{number.name}: {number.value:.6g} sent in, {found} here")
