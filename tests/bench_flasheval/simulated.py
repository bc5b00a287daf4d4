"""Pools whose truth is known: settings drawn from a population, so that a subset can be judged on hundreds of new ones.

A score is discrimination * quality + six latent tastes * loadings + noise; a third or so of the prompts tell nothing of
quality. ``clear`` has little noise, ``binary`` scores are right or wrong, ``clumped`` settings lie around five kinds, so
that few of them are independent. ``families`` draws kinds anew in every pool and new settings from kinds that the pool has
not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effbench.arrays import Array
from effbench.subset.certificate import FEW, certify, search_all
from effbench.subset.judgement import families_left_out
from effbench.subset.left_out import few_left_out
from effbench.subset.manifest import FAMILY
from effbench.subset.matrix import ScoreMatrix, score_matrix
from effbench.subset.soft import SoftTau
from effbench.subset.tau import tau_b

SAMPLES, TASTES, NEW, KINDS = 200, 6, 600, 5
"""Of a population, a choice: prompts, traits beside quality, new settings that make the truth, and kinds that settings clump
in."""
CASES = (
    ("noisy", 10, 10), ("noisy", 24, 10), ("noisy", 46, 20), ("clear", 10, 10), ("clear", 24, 10),
    ("binary", 10, 10), ("binary", 24, 10), ("binary", 46, 20), ("clumped", 24, 10),
    ("families", 20, 10), ("families", 40, 10), ("families", 60, 10),
)  # fmt: skip
"""(population, settings of a pool, size of a subset); families are of ten settings."""
OF_FAMILY = 10
"""Settings of one family; ``CASES`` has multiples of it."""


@dataclass(frozen=True)
class Prompts:
    """How much each prompt tells of quality [samples], and its loadings [tastes, samples]; fixed for a population."""

    telling: Array
    loadings: Array

    @classmethod
    def of(cls, seed: int) -> Prompts:
        """Return the prompts of a population."""
        rng = np.random.default_rng(seed)
        telling = np.exp(0.7 * rng.normal(size=SAMPLES)) * (rng.random(SAMPLES) < 0.6)
        return cls(telling, rng.normal(size=(TASTES, SAMPLES)))

    def scores(self, population: str, traits: Array, rng: np.random.Generator) -> Array:
        """Return the scores [settings, samples] of settings with ``traits`` [settings, 1 + tastes]."""
        gain, taste, noise = (1.0, 0.2, 0.3) if population == "clear" else (0.6, 0.5, 1.5)
        values = gain * traits[:, :1] * self.telling + taste * traits[:, 1:] @ self.loadings
        values = values + noise * rng.normal(size=values.shape)
        return np.asarray((values > 0.7).astype(float) if population == "binary" else values)


def draw_traits(population: str, settings: int, kinds: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the traits of settings and the kind of each; only ``clumped`` and ``families`` have kinds."""
    which = rng.integers(0, len(kinds), settings) if population == "clumped" else np.arange(settings) % len(kinds)
    scatter = rng.normal(size=(settings, 1 + TASTES))
    return (kinds[which] + 0.6 * scatter if population in ("clumped", "families") else scatter), which


def pool_and_new(population: str, settings: int, seed: int) -> tuple[ScoreMatrix, list[ScoreMatrix]]:
    """Return a pool, and new settings of its population: one matrix, or one per new family."""
    rng, prompts = np.random.default_rng(seed), Prompts.of(7)
    fixed = np.random.default_rng(8).normal(size=(KINDS, 1 + TASTES))
    kinds = rng.normal(size=(settings // OF_FAMILY, 1 + TASTES)) if population == "families" else fixed
    traits, which = draw_traits(population, settings, kinds, rng)
    pool = _matrix(prompts.scores(population, traits, rng), [f"kind {kind}" for kind in which])
    if population != "families":
        return pool, [_matrix(prompts.scores(population, draw_traits(population, NEW, kinds, rng)[0], rng))]
    others = rng.normal(size=(30, 1 + TASTES))
    new = [kind + 0.6 * rng.normal(size=(60, 1 + TASTES)) for kind in others]
    return pool, [_matrix(prompts.scores(population, traits, rng)) for traits in new]


def _matrix(values: Array, families: Sequence[str] | None = None) -> ScoreMatrix:
    methods, samples = ([f"{letter}{row}" for row in range(n)] for letter, n in zip("ms", values.shape))
    return score_matrix("score", values, methods, samples, families=families)


@dataclass(frozen=True)
class Coverage:
    """Mean certified tau minus the mean truth, how often the interval holds the truth, and its mean width."""

    bias: float
    covered: float
    covered_mean: float
    width: float


def coverage_of(population: str, settings: int, size: int, pools: int, searches: int) -> Coverage:
    """Return how the certificates of many pools compare with the tau of each pool's own subset on new settings.

    ``covered_mean`` is against the mean truth over the pools: what the procedure reaches, whatever the pool.
    """
    selector, rows = SoftTau(), []
    for seed in range(pools):
        pool, new = pool_and_new(population, settings, seed)
        kind = FAMILY if population == "families" else FEW
        folds = families_left_out(pool) if kind == FAMILY else few_left_out(settings, searches)
        found = certify(pool, kind, folds, search_all(selector, [pool], size, folds, 0))
        shipped = selector.select([pool], size, 0)
        truth = float(np.mean([tau_b(shipped.estimate(matrix), matrix.truth) for matrix in new]))
        rows.append((found.tau, *found.interval, truth))
    tau, low, high, truths = np.array(rows).T
    mean = truths.mean()
    return Coverage(
        float((tau - truths).mean()),
        float(((low <= truths) & (truths <= high)).mean()),
        float(((low <= mean) & (mean <= high)).mean()),
        float((high - low).mean()),
    )


def coverage_table(pools: int, searches: int) -> str:
    """Return a row per case as Markdown."""
    lines = [
        "| population | settings | n | certified - true tau | 95 % interval holds the truth of its own subset "
        "| holds the mean truth | width |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for population, settings, size in CASES:
        found = coverage_of(population, settings, size, pools, searches)
        name = f"families ({settings // OF_FAMILY})" if population == "families" else population
        lines.append(
            f"| {name} | {settings} | {size} | {found.bias:+.3f} | {100 * found.covered:.0f} % "
            f"| {100 * found.covered_mean:.0f} % | {found.width:.2f} |"
        )
    return "\n".join([*lines, "", f"{pools} pools each, up to {searches} searches a certificate."])
