"""Variational Monte Carlo: sample, ask for local energies, change the parameters, again; every part of a step is timed.

Annealing: the entropy of |psi|^2 times a temperature that falls is subtracted from the energy (Hibat-Allah et al., Nature
Machine Intelligence 3, 952 (2021)), so that amplitudes of a wrong phase do not die before the phase is found. It costs: low
excited states come in that take long to leave. So a training starts twice from the same parameters, without and with it, and
goes on from the start whose energy is lower (``TrainingSettings.trial``). Draws are
chosen between steps so that about ``unique`` determinants come: hot states are broad and need few draws, cold ones are
narrow and need many. Energies that are reported hold no entropy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from effbench.arrays import Array
from effbench.kernels.local_energy import local_energies
from effbench.kernels.local_energy.integrals import Integrals
from effbench.kernels.local_energy.policies import Policy
from effbench.tasks.vmc_energy.ansatz import Autoregressive
from effbench.tasks.vmc_energy.optimisers import Adam, MinSR, Optimiser
from effbench.tasks.vmc_energy.sampling import sample
from effbench.tasks.vmc_energy.settings import TrainingSettings
from effbench.tasks.vmc_energy.workers import ALONE, Workers

PARTS = ("sample", "amplitude", "local_energy", "gradient")
"""What the time of a step is split into, in the order of a step."""
LEAST_DRAWS = 1000
"""What draws are not lowered below, however few determinants are asked for."""
RISE_HA = 1e-3
"""An energy that has risen by more is taken back: towards the end a step gains less, and a runaway costs far more."""


@dataclass
class Trace:
    """What a training leaves, an entry per step; energies in Hartree, seconds since the start, all work included."""

    time_s: list[float] = field(default_factory=list)
    energy_ha: list[float] = field(default_factory=list)
    error_ha: list[float] = field(default_factory=list)
    """Standard error of a step's energy from its own sample."""
    unique: list[int] = field(default_factory=list)
    draws: list[float] = field(default_factory=list)
    parts_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    stopped: str = ""
    """Why training ended before its last step; empty where it did not."""


class Trainer:
    """Trains an ansatz on a molecule; ``step`` may be called beyond the settings' number, ``run`` goes up to it."""

    def __init__(
        self,
        ansatz: Autoregressive,
        integrals: Integrals,
        settings: TrainingSettings,
        seed: int,
        workers: Workers = ALONE,
    ) -> None:
        self.ansatz, self.integrals, self.settings, self.seed = ansatz, integrals, settings, seed
        self.workers = workers
        self.draws, self.done, self.trace = settings.first_draws, 0, Trace()
        self.optimiser = self._fresh_optimiser()
        self.first: dict[str, torch.Tensor] = {}
        """Where the first of two starts came to, while the second is under way."""
        self.best: dict[str, torch.Tensor] = {}
        """The parameters of the lowest energy since the start was chosen."""
        self.best_ha = np.inf
        self._start = self._good = self._copy()

    def run(self, after_step: Callable[[Trainer], None] = lambda trainer: None) -> Trace:
        """Train to the end, or until an energy is not finite: then the last good parameters are taken back."""
        while self.done < self.settings.steps and not self.trace.stopped:
            self.step()
            after_step(self)
        return self.trace

    def step(self) -> float:
        """Take one step; return the energy in Hartree that its sample had before it."""
        started = time.perf_counter()
        drawn = sample(self.ansatz, int(self.draws), self._seed(), self.workers)
        alpha, beta = self.ansatz.strings_of(drawn.tokens)
        rows = self.workers.part(len(drawn.counts))
        at = self._lap("sample", started)
        amplitude, phase = self.optimiser.evaluate(drawn.tokens[slice(*rows)])
        logs = self.workers.gather(amplitude.detach().numpy() + 1j * phase.detach().numpy())
        at = self._lap("amplitude", at)
        if not np.isfinite(logs).all():
            return self._give_up("a log amplitude")
        policy, amplitude_of = Policy(self.settings.policy), self.ansatz.log_psi
        part = local_energies(self.integrals, alpha, beta, logs, policy=policy, amplitude=amplitude_of, rows=rows)
        local = self.workers.gather(part.energies)
        weights = weights_of(self.settings.policy, drawn.counts, logs)
        energy = complex((weights * local).sum())
        variance = float((weights * np.abs(local - energy) ** 2).sum())
        at = self._lap("local_energy", at)
        if not np.isfinite(energy):
            return self._give_up("the energy")
        self._good = self._copy()
        if self._takes_back(energy.real, (variance / self.draws) ** 0.5):
            return self._recorded(energy.real, variance, len(weights), started)
        free = local + 2 * self.settings.temperature_at(self.done) * logs.real
        self.optimiser.update(weights, free - (weights * free).sum(), self.done)
        self._lap("gradient", at)
        return self._recorded(energy.real, variance, len(weights), started)

    def _takes_back(self, energy_ha: float, error_ha: float) -> bool:
        """Return whether the steps since the lowest energy were taken back, because the energy has risen far above it.

        ``error_ha`` is the standard error of the energy. A sample does not see what a step does to what lies outside of it.
        """
        if not isinstance(self.optimiser, MinSR) or self.done < 2 * self.settings.trial or self._is_annealed():
            return False
        if energy_ha < self.best_ha:
            self.best, self.best_ha = self._good, energy_ha
        if energy_ha <= self.best_ha + max(RISE_HA, 5 * error_ha):
            return False
        self.ansatz.load_state_dict(self.best)
        self.optimiser.calm()
        return True

    def _is_annealed(self) -> bool:
        return self.settings.temperature_at(self.done) > 0

    def _recorded(self, energy_ha: float, variance_ha2: float, unique: int, started: float) -> float:
        """Note a step that is over, and return its energy."""
        before = self.trace.time_s[-1] if self.trace.time_s else 0.0
        self.trace.time_s.append(before + time.perf_counter() - started)
        self.trace.energy_ha.append(energy_ha)
        self.trace.error_ha.append((variance_ha2 / self.draws) ** 0.5)
        self.trace.unique.append(unique)
        self.trace.draws.append(self.draws)
        self._choose_draws(unique)
        self.done += 1
        if trial := self.settings.trial:
            if self.done == trial:
                self.first = self._copy()
                self._go_on_from(self._start, self.settings.first_draws)
            elif self.done == 2 * trial:
                self._choose_start(trial)
        return energy_ha

    def _choose_start(self, trial: int) -> None:
        """Go on from the first start where its last energies were lower than those of the second, which is here."""
        last = max(1, trial // 10)
        energies = np.array(self.trace.energy_ha)
        if energies[trial - last : trial].mean() <= energies[-last:].mean():
            self._go_on_from(self.first, self.trace.draws[trial - 1])
        self.first = {}

    def _go_on_from(self, parameters: dict[str, torch.Tensor], draws: float) -> None:
        self.ansatz.load_state_dict(parameters)
        self.optimiser, self.draws = self._fresh_optimiser(), draws

    def _fresh_optimiser(self) -> Optimiser:
        given = self.settings
        if given.optimiser == "minsr":
            return MinSR(
                self.ansatz,
                given.rate or 0.05,
                given.damping,
                given.momentum,
                momentum_from=2 * given.trial,
                steps=given.steps,
                workers=self.workers,
            )
        return Adam(self.ansatz, given.rate or 1e-2, workers=self.workers)

    def _seed(self) -> int:
        """Return the seed of this step's sample, another one for every step of every training."""
        return int(np.random.SeedSequence((self.seed, self.done)).generate_state(1, np.uint64)[0] >> 1)

    def _lap(self, part: str, since: float) -> float:
        now = time.perf_counter()
        self.trace.parts_s[part] += now - since
        return now

    def _choose_draws(self, unique: int) -> None:
        """Draw less next time where more came than asked for, more where clearly fewer did."""
        if unique > self.settings.unique:
            self.draws = max(float(LEAST_DRAWS), self.draws * 0.7)
        elif unique < 0.85 * self.settings.unique:
            self.draws = min(self.settings.most_draws, self.draws * 1.4)

    def _copy(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in self.ansatz.state_dict().items()}

    def _give_up(self, what: str) -> float:
        self.ansatz.load_state_dict(self._good)
        self.trace.stopped = f"{what} of step {self.done} is not finite; the parameters of the step before are kept"
        return float("nan")


def weights_of(policy: str, counts: Array, log_psi: Array) -> Array:
    """Return weights [U] that sum to one: shares of the draws, or |psi|^2 over the sample where psi is zero beyond it.

    With counts, a sampled-only energy may fall below the exact one; with |psi|^2 it is that of a state, and cannot.
    """
    weights = counts.astype(np.float64) if policy == "exact" else np.exp(2 * (log_psi.real - log_psi.real.max()))
    return np.asarray(weights / weights.sum())
