"""The task ``local-energy``: local energies of one sample of determinants; methods are engines, latency is what they need.

Policy sampled-only: psi is known on the sample and zero elsewhere, so that nothing but the kernel runs. Every engine gets the
same determinants and amplitudes, and its energies are compared with those of the reference in the same run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from effbench.api import Context, Metric, Output, Sample, Scores, Split, StrictParams, Task, noise_seed
from effbench.arrays import Array
from effbench.tasks.local_energy.clouds import check_molecule, cloud, integrals_of
from effbench.tasks.local_energy.system import EngineSystem

if TYPE_CHECKING:
    from effbench.kernels.local_energy.integrals import Integrals

SEEDS = {"calibration": 1, "evaluation": 0}


class LocalEnergy(Task):
    """Compute the local energies of a sample of a molecule's determinants."""

    name = "local-energy"
    system_type = EngineSystem
    small: ClassVar[Mapping[str, Any]] = {"molecule": "lih", "determinants": 100}
    metrics = (
        Metric(
            "largest_difference", "", higher_is_better=False, primary=True, needs_reference=True,
            bounds=(0.0, math.inf),
            description="largest difference of a local energy from the reference's, relative to the largest (1 Ha at least)",
        ),
        Metric(
            "connected_determinants", "", higher_is_better=True,
            bounds=(1.0, math.inf),
            description="determinants that H can join to the sample's, 1 + singles + doubles each; over latency: the rate",
        ),
    )  # fmt: skip

    class Params(StrictParams):
        """Parameters of the task."""

        molecule: Annotated[
            str, Field(description="A frozen molecule, or random-ORBITALS-ALPHA-BETA: integrals of that size.")
        ] = "li2o"
        determinants: Annotated[int, Field(ge=1, description="Determinants of the sample.")] = 10_000

    def check(self) -> None:
        """Raise ``PluginError`` for a molecule that does not exist."""
        check_molecule(self.params.molecule)

    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return one sample: a set of determinants with amplitudes."""
        return [Sample(f"{self.params.molecule}-{self.params.determinants}-{split}", {"seed": SEEDS[split]})]

    def load(self, ctx: Context) -> EngineSystem:
        """Return the engine that the cost model chooses."""
        return EngineSystem()

    def run(self, system: EngineSystem, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return ``energies`` complex as real [U, 2] in Hartree."""
        return [self._call(system, int(sample.data["seed"]), noise_seed(sample.id, seed))() for sample in batch]

    def probe(self, system: EngineSystem, batch_size: int) -> Callable[[], Any]:
        """Return the kernel alone: determinants, amplitudes and tables of strings are there before."""
        call = self._call(system, SEEDS["evaluation"], 0)
        call()
        return lambda: [call() for _ in range(batch_size)]

    def _call(self, system: EngineSystem, seed: int, amplitudes: int) -> Callable[[], Output]:
        from effbench.kernels.local_energy import local_energies

        integrals, alpha, beta = _sample(self.params.molecule, self.params.determinants, seed)
        rng = np.random.default_rng(amplitudes)
        logs = rng.normal(size=len(alpha)) + 1j * rng.normal(size=len(alpha))

        def call() -> Output:
            found = local_energies(integrals, alpha, beta, logs, impl=system.engine).energies
            return {"energies": np.stack([found.real, found.imag], axis=1)}

        return call

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return the largest difference from the reference, relative to the largest energy where that exceeds 1 Ha."""
        from effbench.kernels.local_energy.connected import most_connected

        connected = most_connected(integrals_of(self.params.molecule)) * self.params.determinants
        differences = np.full(len(outputs), np.nan)
        if reference is not None:
            for row, (own, known) in enumerate(zip(outputs, reference, strict=True)):
                scale = max(1.0, float(np.abs(known["energies"]).max()))
                differences[row] = float(np.abs(own["energies"] - known["energies"]).max()) / scale
        counts = np.full(len(outputs), float(connected))
        return Scores({"largest_difference": differences, "connected_determinants": counts})

    def summarise(self, scores: Scores, weights: Array) -> dict[str, float]:
        """Return weighted means."""
        found = {}
        for metric in self.metrics:
            values = scores.scalars[metric.name]
            known = (weights > 0) & ~np.isnan(values)
            if known.any():
                found[metric.name] = float(np.average(values[known], weights=weights[known]))
        return found


@lru_cache(maxsize=2)
def _sample(molecule: str, size: int, seed: int) -> tuple[Integrals, Array, Array]:
    integrals = integrals_of(molecule)
    return integrals, *cloud(integrals, size, seed)
