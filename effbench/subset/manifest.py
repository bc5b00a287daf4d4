"""A subset as a file: its ids and weights, what chose it, and its certificate. Shipped ones: ``data_manifests/subsets/``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from effbench.atomic import write_bytes
from effbench.errors import BadInput, nearest
from effbench.yamlpos import parse

SCHEMA: Literal["effbench/subset/2"] = "effbench/subset/2"
"""1 had neither ``more_methods`` nor what ``leave-few-out`` says of a certificate; its files are read as they are."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


FAMILY = "leave-one-family-out"


class Chosen(_Entry):
    """What chose the subset, and what it found out on the way (a tau, a strength of shrinkage)."""

    selector: str
    seed: int
    parameters: dict[str, Any] = {}
    found: dict[str, Any] = {}


class Pool(_Entry):
    """The methods and samples that it was chosen from; a certificate holds for these alone."""

    methods: list[str]
    samples: int
    sha256: str


class Held(_Entry):
    """The certificate for one metric and one kind of split; ``effbench.subset.certificate.Certified`` explains each.

    Files of schema 1 have ``random-half`` splits, ``regret`` (of the best of each fold) and ``worst_tau`` of the worst fold
    instead of ``searched``, ``pairs`` and ``pair_regret``.
    """

    metric: str
    split: str
    folds: int
    searched: int | None = None
    pairs: int | None = None
    tau: Finite
    ci_low: Finite
    ci_high: Finite
    searched_tau: Finite
    random_tau: Finite
    random_size: Finite | None
    regret: Finite | None = None
    pair_regret: Finite | None = None
    worst_tau: Finite | None = None
    minutes_saved: Finite | None = None
    resolution: Finite | None = None

    @property
    def sentence(self) -> str:
        """Return the certificate in one sentence."""
        worth = (
            "more than every random size tried"
            if self.random_size is None
            else f"{self.random_size:.0f} random samples"
        )
        saved = "" if self.minutes_saved is None else f", {self.minutes_saved:g} minutes saved per method"
        sure = f"differences from {self.resolution:.4g} on" if self.resolution else "every difference"
        sure = "no difference" if self.resolution is None else sure
        return (
            f"{self.metric}, {self.split}{self._basis}: held-out tau {self.tau:.3f} "
            f"[{self.ci_low:.3f}, {self.ci_high:.3f}] "
            f"(random of equal size {self.random_tau:.3f}; worth {worth}{saved}); {sure} in the right order for 95 % of pairs"
        )

    @property
    def _basis(self) -> str:
        """Return for how many searched methods the figure holds, and on what it rests."""
        if self.searched is None:
            return ""
        if self.split == FAMILY:
            return f" ({self.folds} families, {self.searched} methods or more searched)"
        return f" ({self.searched} methods searched, {self.folds} searches, {self.pairs} pairs)"


class Searched(_Entry):
    """Held-out tau with so many methods searched."""

    methods: int
    searches: int
    tau: Finite
    ci_low: Finite
    ci_high: Finite


class MoreMethods(_Entry):
    """What more searched methods would buy: the curve so far, and what ``methods`` of them would add; null: cannot tell."""

    metric: str
    points: list[Searched]
    methods: int
    gain: Finite | None
    gain_low: Finite | None
    gain_high: Finite | None

    @property
    def sentence(self) -> str:
        """Return it in one sentence."""
        so_far = ", ".join(f"{point.tau:.3f} with {point.methods}" for point in self.points)
        if self.gain is None:
            return f"{self.metric}: cannot tell what {self.methods} searched methods would add; held-out tau {so_far}"
        return (
            f"{self.metric}: {self.methods} searched methods would add about {self.gain:.3f} "
            f"[{self.gain_low:.3f}, {self.gain_high:.3f}] to tau (extrapolated); held-out tau {so_far}"
        )


class SubsetManifest(_Entry):
    """The file. ``weights`` are null where all samples weigh the same; otherwise positive, one per id."""

    schema_version: Annotated[Literal["effbench/subset/1", "effbench/subset/2"], Field(alias="schema")] = SCHEMA
    name: str
    description: str = ""
    task: str | None = None
    source: str = ""
    metrics: list[str]
    ids: Annotated[list[str], Field(min_length=1)]
    weights: list[float] | None = None
    sha256: str
    chosen: Chosen | None = None
    pool: Pool | None = None
    certificate: list[Held] = []
    more_methods: list[MoreMethods] = []

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="after")
    def _is_whole(self) -> SubsetManifest:
        if len(set(self.ids)) < len(self.ids):
            twice = next(name for name in self.ids if self.ids.count(name) > 1)
            raise ValueError(f"sample {twice!r} stands twice in its ids")
        if self.weights is not None and len(self.weights) != len(self.ids):
            raise ValueError(f"{len(self.weights)} weights do not fit {len(self.ids)} ids")
        if self.weights is not None and not all(0 < weight < float("inf") for weight in self.weights):
            raise ValueError("every weight must be positive and finite")
        if self.sha256 != content_sha256(self.ids, self.weights):
            raise ValueError("its sha256 is not that of its ids and weights; it was edited")
        return self

    def weight_of(self) -> Mapping[str, float]:
        """Return id -> weight, of mean 1."""
        weights = self.weights or [1.0] * len(self.ids)
        scale = len(weights) / sum(weights)
        return {name: weight * scale for name, weight in zip(self.ids, weights)}

    @property
    def resolutions(self) -> dict[str, float | None]:
        """Return metric -> the difference from which on the subset can be trusted with an order, for all kinds of split."""
        found: dict[str, float | None] = {}
        for held in self.certificate:
            known = found.get(held.metric, 0.0)
            found[held.metric] = None if known is None or held.resolution is None else max(known, held.resolution)
        return found

    @property
    def reference(self) -> str:
        """Return what a record names it by: name and the beginning of its hash."""
        return f"{self.name}@{self.sha256[:8]}"


def content_sha256(ids: Sequence[str], weights: Sequence[float] | None) -> str:
    """Return the hash of ids and weights (to nine digits, so that printing a weight does not change it)."""
    content = [list(ids), None if weights is None else [f"{weight:.9g}" for weight in weights]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def make_manifest(name: str, ids: Sequence[str], weights: Sequence[float] | None = None, **more: Any) -> SubsetManifest:
    """Return the manifest of ids and weights; ``more`` are its other fields."""
    rounded = None if weights is None else [float(f"{weight:.9g}") for weight in weights]
    return SubsetManifest(name=name, ids=list(ids), weights=rounded, sha256=content_sha256(ids, rounded), **more)


def write_manifest(path: Path, manifest: SubsetManifest) -> None:
    """Write the file; raises ``StoreError`` where it cannot be saved."""
    data = manifest.model_dump(by_alias=True, exclude_defaults=False)
    write_bytes(path, yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120).encode())


def read_manifest(path: Path) -> SubsetManifest:
    """Return a file's manifest; raise ``BadInput`` in one sentence where it is missing, malformed or edited."""
    try:
        return parse_manifest(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInput(f"{path}: cannot read the subset: {reason}") from None


def parse_manifest(text: str, where: str) -> SubsetManifest:
    """Return the manifest of a text."""
    try:
        return SubsetManifest.model_validate(parse(text.removeprefix("\ufeff"), where, finite=False).data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(
            f"{where}: {f'{place}: ' if place else ''}{first['msg'].removeprefix('Value error, ')}"
        ) from None


def shipped() -> list[str]:
    """Return the names of the subsets in the package."""
    folder = files("effbench_data_manifests").joinpath("subsets")
    return (
        sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml"))
        if folder.is_dir()
        else []
    )


def find_subset(name: str) -> SubsetManifest:
    """Return the subset of a name that ships, or of a path to a YAML file; raise ``BadInput`` where there is none."""
    if name.endswith((".yaml", ".yml")):
        return read_manifest(Path(name))
    if name not in shipped():
        raise BadInput(f"no subset {name!r}{nearest(name, shipped())}; a path to a .yaml file works, too")
    file = files("effbench_data_manifests").joinpath("subsets", f"{name}.yaml")
    return parse_manifest(file.read_text("utf-8"), f"subset {name}")
