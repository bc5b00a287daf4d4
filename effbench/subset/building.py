"""From score matrices to a manifest with its certificate, and from a manifest back to the methods that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from effbench.errors import BadInput
from effbench.subset.certificate import Judgement, iterate_folds, judge
from effbench.subset.manifest import Chosen, Held, Pool, SubsetManifest, make_manifest
from effbench.subset.matrix import Array, ScoreMatrix
from effbench.subset.selection import Selector
from effbench.subset.tau import tau_b

FOLD_SEEDS = (0, 1, 2, 3, 4)


def build(
    matrices: Sequence[ScoreMatrix],
    selector: Selector,
    size: int,
    seed: int,
    name: str,
    seconds: float = 0.0,
    **more: Any,
) -> SubsetManifest:
    """Return the subset that the selector chooses on all methods, with the certificate of the procedure on held-out ones.

    ``seconds`` is what a sample costs, from which the minutes saved per method follow; ``more`` are manifest fields.
    Raises ``BadInput`` where the methods are too few to hold four out (fewer than eight).
    """
    chosen = selector.select(matrices, size, seed)
    minutes = (len(matrices[0].samples) - size) * seconds / 60 if seconds else None
    judged = [
        held_of(judgement, minutes)
        for split, folds in iterate_folds(matrices[0], FOLD_SEEDS)
        for judgement in judge(selector, matrices, size, folds, split, seed)
    ]
    even = bool(np.ptp(chosen.weights) == 0)
    return make_manifest(
        name,
        [matrices[0].samples[row] for row in chosen.rows],
        None if even else chosen.weights.tolist(),
        metrics=[matrix.metric for matrix in matrices],
        chosen=Chosen(
            selector=selector.name, seed=seed, parameters=parameters_of(selector), found=dict(chosen.details)
        ),
        pool=Pool(methods=list(matrices[0].methods), samples=len(matrices[0].samples), sha256=matrices[0].pool_sha256),
        certificate=judged,
        **more,
    )


def held_of(judgement: Judgement, minutes: float | None) -> Held:
    """Return a judgement as it stands in a manifest, rounded to what it is worth."""
    data = asdict(judgement)
    low, high = data.pop("interval")
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in data.items()}
    saved = None if minutes is None else round(minutes, 1)
    return Held(**rounded, ci_low=round(low, 4), ci_high=round(high, 4), minutes_saved=saved)


def parameters_of(selector: Selector) -> dict[str, Any]:
    """Return the plain parameters of a selector; of a selector inside it, the name and its parameters."""
    if not is_dataclass(selector):
        return {}
    values = {field.name: getattr(selector, field.name) for field in fields(selector) if field.name != "name"}
    found = {key: value for key, value in values.items() if isinstance(value, int | float | str)}
    inner = {key: value for key, value in values.items() if is_dataclass(value) and hasattr(value, "name")}
    return found | {key: {"selector": value.name, **parameters_of(value)} for key, value in inner.items()}


@dataclass(frozen=True)
class Applied:
    """What a subset says of a matrix's methods beside what all samples say, both [methods], and the tau between them."""

    metric: str
    methods: tuple[str, ...]
    estimate: Array
    truth: Array
    tau: float
    is_new: tuple[bool, ...]

    @property
    def new_tau(self) -> float | None:
        """Return the tau over methods that were not in the certificate's pool; None below two of them."""
        rows = np.flatnonzero(self.is_new)
        return tau_b(self.estimate[rows], self.truth[rows]) if len(rows) > 1 else None


def apply(manifest: SubsetManifest, matrix: ScoreMatrix) -> Applied:
    """Return what the subset says of a matrix's methods; raises ``BadInput`` where it names samples that the matrix lacks."""
    place = {sample: row for row, sample in enumerate(matrix.samples)}
    unknown = [sample for sample in manifest.ids if sample not in place]
    if unknown:
        raise BadInput(
            f"subset {manifest.name}: {len(unknown)} of its {len(manifest.ids)} samples are not among the "
            f"{len(matrix.samples)} that were scored, first {unknown[0]!r}"
        )
    weight = manifest.weight_of()
    weights = np.array([weight[sample] for sample in manifest.ids]) / len(manifest.ids)
    estimate = matrix.values[:, [place[sample] for sample in manifest.ids]] @ weights
    known = set(manifest.pool.methods) if manifest.pool else set()
    tau = tau_b(estimate, matrix.truth, matrix.margin)
    return Applied(
        matrix.metric, matrix.methods, estimate, matrix.truth, tau, tuple(name not in known for name in matrix.methods)
    )


def why_expired(manifest: SubsetManifest, matrix: ScoreMatrix) -> str | None:
    """Return why a certificate no longer holds for a matrix's pool, or None where it does."""
    if manifest.pool is None or not manifest.certificate:
        return "it has no certificate"
    if manifest.pool.sha256 == matrix.pool_sha256:
        return None
    old, new = set(manifest.pool.methods), set(matrix.methods)
    changes = []
    if new - old:
        changes.append(f"{_counted(len(new - old))} new (first {sorted(new - old)[0]!r})")
    if old - new:
        changes.append(f"{_counted(len(old - new))} gone (first {sorted(old - new)[0]!r})")
    if len(matrix.samples) != manifest.pool.samples:
        changes.append(f"the pool has {len(matrix.samples)} samples instead of {manifest.pool.samples}")
    return "; ".join(changes) or "its samples are others"


def _counted(methods: int) -> str:
    return "1 method is" if methods == 1 else f"{methods} methods are"
