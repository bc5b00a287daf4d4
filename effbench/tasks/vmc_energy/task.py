"""The task ``vmc-energy``: the ground-state energy of molecules; a sample is a molecule, the system a solver.

Energies are compared with full CI in the same basis and with the same integrals: what is judged is a solver, not a basis.
Molecules up to some millions of determinants are solved exactly in seconds; they are here since the answer is known.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from effbench.api import (
    PROBED_ITEMS,
    Context,
    Metric,
    Output,
    PluginError,
    Sample,
    Scores,
    Split,
    StrictParams,
    Summariser,
    Task,
    noise_seed,
    weighted_means,
)
from effbench.arrays import Array
from effbench.stats.curves import first_within
from effbench.tasks.vmc_energy.ends import remarks_on
from effbench.tasks.vmc_energy.molecules import Energies, Given
from effbench.tasks.vmc_energy.problems import calibration_names, check_given, identity, load_problem, name_of
from effbench.tasks.vmc_energy.system import CHEMICAL_ACCURACY_HA, HartreeFock, Problem, SolverSystem

PARTS = {"sample": "sampling", "amplitude": "amplitudes", "local_energy": "local energies", "gradient": "gradients"}
"""Part of a training step, as ``Solution.parts_s`` names it -> what a reader is told goes on in it."""
DECIMALS = 6
"""Of energies in mHa and of percents; what is below is the last digits of integrals and of full CI."""
OF_THE_ENERGY = ("energy_error_mha", "energy_ha", "correlation_percent")
"""Metrics that a training which had not ended makes too large or too small."""
OF_FULL_CI = ("energy_error_mha", "correlation_percent", "diagonal_error_mha")
"""Metrics that there are only where full CI is known."""
LEAST_CORRELATION_HA = 1e-6
"""Between Hartree-Fock and full CI; of less, a share would be one of rounding errors."""
UNKNOWN: Array = np.empty(0)
"""An output that a solver does not have; outputs hold no NaN."""


SIGNED = frozenset({"energy_ha", "energy_error_mha", "diagonal_error_mha"})
"""An energy may come out below full CI: by chance, or where a solver is not variational."""


def _lower(name: str, unit: str, description: str, **more: Any) -> Metric:
    bounds = None if name in SIGNED else (0.0, math.inf)
    return Metric(name, unit, higher_is_better=False, description=description, bounds=bounds, **more)


def _any(molecules: tuple[Given, ...]) -> tuple[Given, ...]:
    # A least length of pydantic's would count what is wrong with a molecule as a list that is too short as well.
    if not molecules:
        raise ValueError("want at least one molecule")
    return molecules


class VmcEnergy(Task):
    """Find the lowest energy of each molecule's electrons."""

    name = "vmc-energy"
    system_type = SolverSystem
    deterministic = False  # PySCF's solvers sum in an order that depends on where memory lies: so do their last bits
    metrics = (
        _lower(
            "energy_error_mha", "mHa", "energy above full CI; for VMC the mean of a fresh sample, policy exact", primary=True,
            undefined="unsupported",
        ),
        _lower("energy_ha", "Ha", "the energy itself; over several molecules the mean, which says little"),
        _lower(
            "standard_error_mha", "mHa", "standard error of that mean, chains' memory included; 0 without drawing",
            undefined="unsupported",
        ),
        _lower(
            "r_hat", "", "split R-hat of Markov chains, rank-normalised; far above 1 where they disagree",
            undefined="unsupported",
        ),
        _lower(
            "autocorrelation_time", "", "records of a Markov chain that are worth one independent one",
            undefined="unsupported",
        ),
        Metric(
            "correlation_percent", "%", higher_is_better=True,
            description="part of the energy between Hartree-Fock and full CI that was found", undefined="unsupported",
        ),
        _lower(
            "diagonal_error_mha", "mHa", "lowest energy between the sampled determinants, above full CI",
            undefined="unsupported",
        ),
        _lower("determinants", "", "determinants that the energy was found from", undefined="unsupported"),
        _lower(
            "time_to_accuracy_s", "s", "until the mean of 10 steps stays within 1.6 mHa of full CI", undefined="not_reached"
        ),
        _lower(
            "time_to_ccsd_s", "s", "until the mean of 10 steps stays at or below the CCSD energy", undefined="not_reached"
        ),
        _lower("solve_s", "s", "time to the end of training, or of the solution"),
        *(
            _lower(f"{part}_ms", "ms", f"time of a training step that goes to {what}", undefined="unsupported")
            for part, what in PARTS.items()
        ),
    )  # fmt: skip

    class Params(StrictParams):
        """Parameters of the task."""

        molecules: Annotated[
            tuple[Given, ...],
            AfterValidator(_any),
            Field(description="Names of frozen molecules, FCIDUMP files, or molecules given by atoms (need PySCF)."),
        ] = ("h2", "lih")

    def check(self) -> None:
        """Raise ``PluginError`` for names that do not exist or are given twice, and files that cannot be read."""
        check_given(self.params.molecules)

    def revision(self) -> str:
        """Return what pins the integrals: the hashes of frozen and read ones, and what is computed anew."""
        return "+".join(identity(given) for given in self.params.molecules)

    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return a sample per molecule; nothing is frozen on a validation split, which is empty."""
        if split == "validation":
            return []
        if split == "calibration":
            return [Sample(name) for name in calibration_names(self.params.molecules)]
        return [
            Sample(name_of(given), {"molecule": _data(given), "integrals": identity(given)})
            for given in self.params.molecules
        ]

    def load(self, ctx: Context) -> SolverSystem:
        """Return Hartree-Fock; methods return other solvers."""
        return SolverSystem(HartreeFock())

    def problem(self, sample: Sample) -> Problem:
        """Return a sample's integrals and known energies; raise ``PluginError`` where its file has changed since."""
        given: Given = next((g for g in self.params.molecules if name_of(g) == sample.id), sample.id)
        return load_problem(given, sample.data.get("integrals", ""))

    def _unsolved(self, sample: Sample) -> Problem:
        """Return the problem as a solver may see it: whoever asks for the known energies is refused."""
        return replace(self.problem(sample), known=_withheld)

    def run(self, system: SolverSystem, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return per molecule what its solution holds; unknown parts are empty arrays."""
        return [self._solve(system, sample, seed) for sample in batch]

    def _solve(self, system: SolverSystem, sample: Sample, seed: int) -> Output:
        found = system.solver.solve(self._unsolved(sample), noise_seed(sample.id, seed))
        return {
            "energy_ha": np.array([found.energy_ha]),
            "standard_error_ha": _known(found.standard_error_ha),
            "r_hat": _known(found.r_hat),
            "autocorrelation": _known(found.autocorrelation),
            "diagonal_ha": _known(found.diagonal_ha),
            "determinants": _known(found.determinants),
            "steps": np.array([found.steps]),
            "curve_ha": np.array(found.curve_ha),
            "curve_s": np.array(found.curve_s),
            "temperature_ha": _known(found.temperature_ha),
            **{f"{part}_s": np.array([found.parts_s[part]] if found.parts_s else []) for part in PARTS},
        }

    def probes(self, system: SolverSystem, batch_size: int) -> Sequence[Callable[[], Any]]:
        """Return a step on each of the first molecules: of an optimisation, or all of it for solvers that have no steps."""
        few = self.samples("evaluation")[:PROBED_ITEMS]
        steps = [system.solver.step(self._unsolved(sample), noise_seed(sample.id, 0)) for sample in few]
        return [partial(_stepped, step, batch_size) for step in steps]

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return the errors of each molecule; undefined (NaN) where full CI is not known or a solver has no such number."""
        from effbench.tasks.vmc_energy.exact import sector_of

        problems = [self.problem(sample) for sample in batch]
        rows = [_row(output, problem) for output, problem in zip(outputs, problems, strict=True)]
        scalars = {metric.name: np.array([row[metric.name] for row in rows]) for metric in self.metrics}
        curves = [_curves(output, problem) for output, problem in zip(outputs, problems)]
        arrays = {name: [curve[name] for curve in curves] for name in curves[0]}
        arrays["temperature_ha"] = [output["temperature_ha"] for output in outputs]
        arrays["sector"] = [sector_of(problem.integrals) for problem in problems]
        return Scores(scalars, arrays)

    def summariser(self, scores: Scores) -> Summariser:
        """Return weighted means; a goal that one molecule did not reach has no mean time: it would leave out the slowest."""
        means = weighted_means(self.metrics, scores)
        goals = [metric for metric in self.metrics if metric.undefined == "not_reached"]
        missed = {metric.key: np.isnan(scores.scalars[metric.name]) for metric in goals}

        def summarise(weights: Array) -> dict[str, float]:
            drawn = weights > 0
            return {
                key: mean for key, mean in means(weights).items() if key not in missed or not missed[key][drawn].any()
            }

        return summarise

    def remarks(self, scores: Scores) -> dict[str, list[str]]:
        """Return what has to stand beside energies, with of how many of several molecules it holds.

        Of trainings that had not ended; and why an error is missing, or is the mean of some of the molecules only.
        """
        from effbench.tasks.vmc_energy.exact import why_unknown

        # Stores written before trainings left their temperature have the curves alone.
        curves = scores.arrays["curve_energy_ha"]
        temperatures = scores.arrays.get("temperature_ha", [UNKNOWN] * len(curves))
        every = [remarks_on(curve, float(at[0]) if len(at) else None) for curve, at in zip(curves, temperatures)]
        of_trainings = _counted(every)
        found = {name: of_trainings for name in OF_THE_ENERGY if of_trainings and not _is_missing(scores, name)}
        sectors = scores.arrays.get("sector", [UNKNOWN] * len(curves))
        goals = scores.arrays.get("goal_energy_error_mha", [np.zeros(1)] * len(curves))
        unknown = _counted([[] if len(goal) or not len(of) else [why_unknown(of)] for goal, of in zip(goals, sectors)])
        for name in OF_FULL_CI if unknown else ():
            found[name] = [*found.get(name, []), *unknown]
        return found


def _stepped(step: Callable[[], float], times: int) -> list[Output]:
    # To six decimals: threads of a BLAS add in another order in another process, and probes are compared by bytes.
    return [{"energy_ha": np.round([step()], DECIMALS)} for _ in range(times)]


def _withheld() -> Energies:
    raise PluginError("a solver asked for the known energies of its molecule, by which it is judged")


def _counted(every: Sequence[Sequence[str]]) -> list[str]:
    counts = Counter(sentence for sentences in every for sentence in sentences)
    return [f"{s} ({count} of {len(every)})" if len(every) > 1 else s for s, count in counts.items()]


def _is_missing(scores: Scores, name: str) -> bool:
    values = scores.scalars.get(name)
    return values is not None and bool(np.isnan(values).all())


def _share(found_ha: float, whole_ha: float) -> float:
    """Return percent; NaN where the whole is too small to have shares, as two helium atoms' far apart in a minimal basis."""
    return float("nan") if abs(whole_ha) < LEAST_CORRELATION_HA else round(100 * found_ha / whole_ha, DECIMALS)


def _data(given: Given) -> str:
    return given if isinstance(given, str) else given.model_dump_json()


def _known(number: float | None) -> Array:
    return UNKNOWN if number is None else np.array([number], np.float64)


def _only(array: Array) -> float:
    return float(array[0]) if len(array) else float("nan")


def _curves(output: Output, problem: Problem) -> dict[str, Array]:
    """Return what reports draw over time; the error only where full CI is known."""
    seconds, energies, exact = output["curve_s"], output["curve_ha"], problem.energies.fci
    error, goal = UNKNOWN, UNKNOWN
    if exact is not None:
        error, goal = np.round(1e3 * (energies - exact), DECIMALS), np.array([1e3 * CHEMICAL_ACCURACY_HA])
    return {
        "curve_s": seconds,
        "curve_energy_ha": energies,
        "curve_energy_error_mha": error,
        "goal_energy_error_mha": goal,
    }


def _row(output: Output, problem: Problem) -> dict[str, float]:
    """Return metric -> value of one molecule."""
    known, energy = problem.energies, float(output["energy_ha"][0])
    exact = float("nan") if known.fci is None else known.fci
    curve = (output["curve_s"], output["curve_ha"])
    steps = int(output["steps"][0])
    return {
        "energy_ha": energy,
        "energy_error_mha": round(1e3 * (energy - exact), DECIMALS),
        "standard_error_mha": 1e3 * _only(output["standard_error_ha"]),
        "r_hat": _only(output["r_hat"]),
        "autocorrelation_time": _only(output["autocorrelation"]),
        "correlation_percent": _share(known.hf - energy, known.hf - exact),
        "diagonal_error_mha": round(1e3 * (_only(output["diagonal_ha"]) - exact), DECIMALS),
        "determinants": _only(output["determinants"]),
        "time_to_accuracy_s": first_within(*curve, exact + CHEMICAL_ACCURACY_HA),
        "time_to_ccsd_s": float("nan") if known.ccsd is None else first_within(*curve, known.ccsd),
        "solve_s": float(output["curve_s"][-1]),
        **{f"{part}_ms": 1e3 * _only(output[f"{part}_s"]) / steps if steps else float("nan") for part in PARTS},
    }
