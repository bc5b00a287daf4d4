"""Which engines there are, which of them compute a policy on a device, and which one ``auto`` is."""

from __future__ import annotations

from typing import Literal

from effbench.kernels.local_energy.integrals import Integrals
from effbench.kernels.local_energy.policies import Policy
from effbench.kernels.local_energy.work import CpuEngine, work_of

Engine = Literal[CpuEngine, "cuda", "connected"]
ENGINES: tuple[CpuEngine, ...] = ("all-pairs", "slater", "pauli")
"""Engines of policy sampled-only on a processor; by the work that each is expected to do, ``auto`` takes one of them."""
DEVICES = ("cpu", "cuda")
"""What an engine runs on, as torch names it without its index."""


def engines_of(policy: Policy, device: str) -> tuple[Engine, ...]:
    """Return the engines that compute a policy on a kind of device.

    Policies that ask the network list every determinant that H joins to a row (``connected``), on the processor alone.
    """
    if policy.kind == "sampled-only":
        return ENGINES if device == "cpu" else ("cuda",)
    return ("connected",) if device == "cpu" else ()


def engine_for(
    impl: Engine | Literal["auto"], policy: Policy, device: str | None, integrals: Integrals, samples: int
) -> Engine:
    """Return the engine that ``impl`` means for a sample; without a device, ``auto`` means one of the processor.

    Raises ``ValueError`` where that engine does not compute the policy, or not on the device.
    """
    kind = None if device is None else device.partition(":")[0]
    if kind is not None and kind not in DEVICES:
        raise ValueError(f"local energies have no engine on device {device!r}; want {' or '.join(DEVICES)}")
    valid = [engine for at in DEVICES if kind in (None, at) for engine in engines_of(policy, at)]
    where = f"policy {policy}" + (f" on device {device}" if device else "")
    if not valid:
        raise ValueError(f"no engine computes {where}; on a cpu, {' or '.join(engines_of(policy, 'cpu'))} does")
    if impl == "auto":
        return work_of(integrals, samples).best() if valid[0] in ENGINES else valid[0]
    if impl not in valid:
        raise ValueError(f"engine {impl!r} does not compute {where}; want {', '.join(valid)} or auto")
    return impl
