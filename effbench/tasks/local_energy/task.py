"""The task ``local-energy``: local energies of one sample of determinants; methods are engines, latency is what they need.

Policy sampled-only: psi is known on the sample and zero elsewhere, so that nothing but the kernel runs. Every engine gets the
same determinants and amplitudes, and its energies are compared with those of the reference in the same run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from effbench.api import (
    Context,
    Metric,
    Output,
    Sample,
    Scores,
    Split,
    StrictParams,
    Task,
    Unsupported,
    noise_seed,
)
from effbench.arrays import Array
from effbench.tasks.local_energy.clouds import check_molecule, cloud, integrals_of
from effbench.tasks.local_energy.system import EngineSystem

if TYPE_CHECKING:
    from effbench.kernels.local_energy.integrals import Integrals

SEEDS: Mapping[Split, int] = {"calibration": 1, "validation": 2, "evaluation": 0}
"""Of the determinants of a split: any would do, as long as they differ."""


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
        """Return the engine of the device that the cost model chooses."""
        return EngineSystem(device=ctx.device)

    def run(self, system: EngineSystem, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return ``energies`` complex as real [U, 2] in Hartree; raise ``Unsupported`` for an engine of another device."""
        return [self._call(system, sample, seed)() for sample in batch]

    def probes(self, system: EngineSystem, batch_size: int) -> Sequence[Callable[[], Any]]:
        """Return the kernel alone, on the determinants of either split; amplitudes and tables of terms are there before."""
        samples = [sample for split in ("evaluation", "calibration") for sample in self.samples(split)]
        calls = [self._call(system, sample, 0) for sample in samples]
        for call in calls:
            call()
        return [partial(_repeat, call, batch_size) for call in calls]

    def _call(self, system: EngineSystem, sample: Sample, seed: int) -> Callable[[], Output]:
        from effbench.kernels.local_energy import local_energies

        integrals, alpha, beta = _determinants(self.params.molecule, self.params.determinants, int(sample.data["seed"]))
        rng = np.random.default_rng(noise_seed(sample.id, seed))
        logs = rng.normal(size=len(alpha)) + 1j * rng.normal(size=len(alpha))

        def call() -> Output:
            try:
                found = local_energies(integrals, alpha, beta, logs, impl=system.engine, device=system.device).energies
            except ValueError as error:  # of the engine or the device: the determinants are those of a split
                raise Unsupported(str(error)) from error
            return {"energies": np.stack([found.real, found.imag], axis=1)}

        return call

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return the largest difference from the reference, relative to the largest energy where that exceeds 1 Ha."""
        from effbench.kernels.local_energy.connected import most_connected

        connected = most_connected(integrals_of(self.params.molecule)) * self.params.determinants
        differences = np.full(len(outputs), np.nan)
        if reference is not None:
            for row, (output, known) in enumerate(zip(outputs, reference, strict=True)):
                scale = max(1.0, float(np.abs(known["energies"]).max()))
                differences[row] = float(np.abs(output["energies"] - known["energies"]).max()) / scale
        counts = np.full(len(outputs), float(connected))
        return Scores({"largest_difference": differences, "connected_determinants": counts})


def _repeat(call: Callable[[], Output], times: int) -> list[Output]:
    return [call() for _ in range(times)]


@lru_cache(maxsize=len(SEEDS))
def _determinants(molecule: str, size: int, seed: int) -> tuple[Integrals, Array, Array]:
    integrals = integrals_of(molecule)
    return integrals, *cloud(integrals, size, seed)
