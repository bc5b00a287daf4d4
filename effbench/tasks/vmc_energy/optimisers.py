"""From local energies to a change of the parameters: Adam on the gradient, or minSR, which follows imaginary time.

For real parameters theta and log psi = a + i phi the gradient of the energy is 2 sum_s w_s (Re D_s da_s + Im D_s dphi_s) with
D_s = E_loc(s) - E. Amplitude and phase share no parameter here, so that stochastic reconfiguration falls into two problems,
(O^T O + lambda) delta = O^T D with O = sqrt(w) (d log psi - mean), and minSR solves each in the space of the U samples:
delta = O^T (O O^T + lambda)^-1 D (Chen and Heyl, Nature Physics 20, 1476 (2024)). O O^T comes from ``layers.gram_matrix``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from effbench.arrays import Array
from effbench.tasks.vmc_energy.ansatz import Autoregressive
from effbench.tasks.vmc_energy.layers import gram_matrix, recorded
from effbench.tasks.vmc_energy.workers import ALONE, Workers


class Optimiser(Protocol):
    """Evaluates an ansatz so that it can be changed, then changes it; with several workers, each its part of the sample."""

    def evaluate(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (log |psi|, phi) of this worker's determinants and keep what ``update`` needs."""
        ...

    def update(self, weights: Array, deviations: Array, step: int) -> None:
        """Change the parameters from weights [U] that sum to one and D complex [U] in Hartree, of the whole sample."""
        ...

    def state(self) -> dict[str, torch.Tensor]:
        """Return what a checkpoint has to hold beside the parameters."""
        ...

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take what ``state`` returned."""
        ...


@dataclass
class Adam:
    """Adam with a rate that decays by ``decay`` per step; deviations beyond ``clip`` standard deviations are cut there.

    The cut serves the gradient only, never an energy that is reported.
    """

    ansatz: Autoregressive
    rate: float = 1e-2
    decay: float = 0.9995
    clip: float = 5.0
    workers: Workers = ALONE
    _inner: torch.optim.Adam = field(init=False)
    _values: tuple[torch.Tensor, torch.Tensor] = field(init=False)

    def __post_init__(self) -> None:
        """Make torch's optimiser."""
        self._inner = torch.optim.Adam(self.ansatz.parameters(), lr=self.rate)

    def evaluate(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (log |psi|, phi) with their graph."""
        self._values = self.ansatz(tokens)
        return self._values

    def update(self, weights: Array, deviations: Array, step: int) -> None:
        """Take one step along the gradient."""
        most = self.clip * np.sqrt((weights * np.abs(deviations) ** 2).sum())
        size = np.maximum(np.abs(deviations), 1e-300)
        cut = deviations * np.minimum(1.0, most / size)
        amplitude, phase = self._values
        for group in self._inner.param_groups:
            group["lr"] = self.rate * self.decay**step
        self._inner.zero_grad()
        begin, end = self.workers.part(len(weights))
        scaled = (2 * weights * cut)[begin:end]
        (
            torch.from_numpy(scaled.real.copy()) * amplitude + torch.from_numpy(scaled.imag.copy()) * phase
        ).sum().backward()
        self.workers.add([p.grad for p in self.ansatz.parameters() if p.grad is not None])
        self._inner.step()

    def state(self) -> dict[str, torch.Tensor]:
        """Return both moments and the count of every parameter."""
        found: dict[str, torch.Tensor] = {}
        for index, entry in self._inner.state_dict()["state"].items():
            found |= {f"{index}.{name}": torch.as_tensor(value) for name, value in entry.items()}
        return found

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take both moments and the count of every parameter."""
        entries: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in state.items():
            index, _, name = key.partition(".")
            entries.setdefault(int(index), {})[name] = value
        self._inner.load_state_dict({"state": entries, "param_groups": self._inner.state_dict()["param_groups"]})


@dataclass
class MinSR:
    """minSR: ``rate`` is the step in imaginary time (1/Hartree), ``damping`` is lambda, ``momentum`` is of the heavy ball.

    A step of Euler is stable up to excitations of 2 / ``rate``, which those of core electrons reach, so the rate cannot grow;
    low excited states, which stretched bonds have, then take 1 / (gap x rate) steps to die out. With momentum they take
    1 - ``momentum`` times as many, and the bound on the stiff ones even rises (Polyak 1964).

    The rate falls to a tenth over ``steps`` steps, which quiets the noise of the last ones. A step that would change log psi
    by more than ``largest_change`` (root of the weighted mean square), with its share of the one before, is shortened to it.
    """

    ansatz: Autoregressive
    rate: float = 0.05
    damping: float = 1e-5
    momentum: float = 0.0
    momentum_from: int = 0
    """The first step that takes a share of the one before."""
    largest_change: float = 0.1
    steps: int = 1000
    workers: Workers = ALONE
    _values: tuple[torch.Tensor, torch.Tensor] = field(init=False)
    _seen: dict[Any, tuple[torch.Tensor, torch.Tensor]] = field(init=False)
    _steps: list[torch.Tensor] = field(init=False)
    """The last step of every parameter."""
    _change: float = field(init=False, default=0.0)
    """Bound of how much the last step changed log psi."""

    def __post_init__(self) -> None:
        """Start at rest."""
        self._steps = [torch.zeros_like(parameter) for parameter in self.ansatz.parameters()]

    def evaluate(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (log |psi|, phi) with their graph, and record what goes through the layers."""
        with recorded(self.ansatz) as self._seen:
            self._values = self.ansatz(tokens)
        return self._values

    def update(self, weights: Array, deviations: Array, step: int) -> None:
        """Take one step in imaginary time."""
        w = torch.from_numpy(weights)
        parts = [
            self._solve(value, w, torch.from_numpy(np.ascontiguousarray(part)))
            for value, part in zip(self._values, (deviations.real, deviations.imag))
        ]
        changed = sum(float(change) for _, change in parts) ** 0.5
        for parameter in self.ansatz.parameters():
            parameter.grad = None
        begin, end = self.workers.part(len(weights))
        torch.stack(
            [(factor[begin:end] * value).sum() for (factor, _), value in zip(parts, self._values)]
        ).sum().backward()
        self.workers.add([p.grad for p in self.ansatz.parameters() if p.grad is not None])
        rate = min(self.rate * max(0.1, 1 - 0.9 * step / self.steps), self.largest_change / max(changed, 1e-300))
        with torch.no_grad():
            momentum = self._share_of_the_last_step(rate * changed) if step >= self.momentum_from else 0.0
            for parameter, last in zip(self.ansatz.parameters(), self._steps):
                if parameter.grad is not None:
                    parameter.sub_(last.mul_(momentum).add_(rate * parameter.grad))
        self._change = momentum * self._change + rate * changed

    def _share_of_the_last_step(self, change: float) -> float:
        """Return the momentum, less where both steps together may change more than a step may, none where they disagree.

        ``change`` is that of the new step alone. A ball that runs uphill is stopped (O'Donoghue and Candes 2015).
        """
        pairs = zip(self.ansatz.parameters(), self._steps)
        if sum(float((p.grad * last).sum()) for p, last in pairs if p.grad is not None) <= 0:
            return 0.0
        return min(self.momentum, max(0.0, self.largest_change - change) / max(self._change, 1e-300))

    def _solve(
        self, value: torch.Tensor, weights: torch.Tensor, deviations: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (f [U] with delta = sum_s f_s d value_s, weighted mean square of what delta changes)."""
        gram, root = gram_matrix(self._seen, value, self.workers), weights.sqrt()
        mean = gram @ weights
        centred = root[:, None] * (gram - mean[:, None] - mean + weights @ mean) * root
        damped = centred.clone()
        damped.diagonal().add_(self.damping)
        solved = torch.cholesky_solve((root * deviations)[:, None], torch.linalg.cholesky(damped))[:, 0]
        weighted = root * solved
        return weighted - weights * weighted.sum(), (centred @ solved).square().sum()

    def state(self) -> dict[str, torch.Tensor]:
        """Return the last step of every parameter."""
        steps = {str(index): last.clone() for index, last in enumerate(self._steps)}
        return {**steps, "momentum": torch.tensor([self.momentum, self._change], dtype=torch.float64)}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take the last step of every parameter."""
        for index, last in enumerate(self._steps):
            last.copy_(state[str(index)])
        self.momentum, self._change = state["momentum"].tolist()

    def calm(self) -> None:
        """Come to rest and halve the momentum: a sample does not see all that a step changes, and the ball ran off."""
        for last in self._steps:
            last.zero_()
        self._change, self.momentum = 0.0, self.momentum / 2
