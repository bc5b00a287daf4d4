"""From score matrices to a manifest with its certificate, and from a manifest back to the methods that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from effbench.arrays import Array
from effbench.errors import BadInput
from effbench.subset.certificate import FEW, Certified, certify, folds_of, search_all, searches_for
from effbench.subset.learning import Outlook, outlook, points_of
from effbench.subset.manifest import Chosen, Held, MoreMethods, Pool, Searched, SubsetManifest, make_manifest
from effbench.subset.matrix import ScoreMatrix, check_same, without_noise
from effbench.subset.rounding import rounded_up, to_digits
from effbench.subset.selection import Selector
from effbench.subset.tau import tau_b


def build(
    matrices: Sequence[ScoreMatrix],
    selector: Selector,
    size: int,
    seed: int,
    name: str,
    seconds: float = 0.0,
    searches: int | None = None,
    **more: Any,
) -> SubsetManifest:
    """Return the subset that the selector chooses on all methods, with the certificate of the procedure on held-out ones.

    ``seconds`` is what a sample costs, from which the minutes saved per method follow; ``searches`` bounds those of
    ``leave-few-out`` (default: by the matrices' size); ``more`` are manifest fields. Raises ``BadInput`` where the methods
    are too few to hold two out.
    """
    check_same(matrices)
    first, budget = matrices[0], searches or searches_for(matrices, size)
    kinds = folds_of(first, budget)
    chosen = selector.select(matrices, size, seed)
    minutes = (len(first.samples) - size) * seconds / 60 if seconds else None
    judged = {kind: (folds, search_all(selector, matrices, size, folds, seed)) for kind, folds in kinds.items()}
    points = [(folds, search_all(selector, matrices, size, folds, seed)) for folds in points_of(kinds[FEW], budget)]
    even = bool(np.ptp(chosen.weights) == 0)
    return make_manifest(
        name,
        [first.samples[row] for row in chosen.rows],
        None if even else chosen.weights.tolist(),
        metrics=[matrix.metric for matrix in matrices],
        chosen=Chosen(
            selector=selector.name, seed=seed, parameters=parameters_of(selector), found=dict(chosen.details)
        ),
        pool=Pool(methods=list(first.methods), samples=len(first.samples), sha256=first.pool_sha256),
        certificate=[
            held_of(certify(matrix, kind, *found), minutes) for kind, found in judged.items() for matrix in matrices
        ],
        more_methods=[more_methods_of(outlook(matrix, [*points, judged[FEW]])) for matrix in matrices],
        **more,
    )


def searches_of(matrices: Sequence[ScoreMatrix], size: int, searches: int | None) -> int:
    """Return how many searches ``build`` makes in all."""
    budget = searches or searches_for(matrices, size)
    kinds = folds_of(matrices[0], budget)
    return 1 + sum(map(len, kinds.values())) + sum(map(len, points_of(kinds[FEW], budget)))


def held_of(certified: Certified, minutes: float | None) -> Held:
    """Return a certificate as it stands in a manifest: shares to four decimals, what has a unit to four digits of its own.

    The resolution is rounded up, so that no difference is called resolved that was not.
    """
    data = asdict(certified)
    low, high = data.pop("interval")
    resolution, size = data.pop("resolution"), data.pop("random_size")
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in data.items()}
    return Held(
        **rounded,
        ci_low=round(low, 4),
        ci_high=round(high, 4),
        random_size=None if size is None else to_digits(size),
        resolution=None if resolution is None else rounded_up(resolution),
        minutes_saved=None if minutes is None else to_digits(minutes, 2),
    )


def more_methods_of(found: Outlook) -> MoreMethods:
    """Return the curve of a metric as it stands in a manifest."""
    low, high = found.interval or (None, None)
    gain, low, high = (None if value is None else round(value, 4) for value in (found.gain, low, high))
    points = [
        Searched(
            methods=point.methods,
            searches=point.searches,
            tau=round(point.tau, 4),
            ci_low=round(point.interval.low, 4),
            ci_high=round(point.interval.high, 4),
        )
        for point in found.points
    ]
    return MoreMethods(
        metric=found.metric, points=points, methods=found.methods, gain=gain, gain_low=low, gain_high=high
    )


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
    estimate = without_noise(matrix.values[:, [place[sample] for sample in manifest.ids]] @ weights, matrix.values)
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
