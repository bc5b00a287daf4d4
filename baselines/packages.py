"""What a peer needs before it changes a system: its package, float32 on a CPU, or a GPU; each lack is one sentence."""

from __future__ import annotations

from importlib.util import find_spec

from effbench.api import Unsupported
from effbench.diffusion import DiffusionSystem


def require_packages(method: str, packages: tuple[str, ...], install: str) -> None:
    """Raise ``Unsupported`` where a top-level package is missing, saying what installs it; nothing is imported."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise Unsupported(f"{method}: the package {missing[0]!r} is missing; {install}")


def require_float32_on_cpu(method: str, system: DiffusionSystem) -> None:
    """Raise ``Unsupported`` for a denoiser on another device or of another type."""
    import torch

    if system.device_type != "cpu" or system.dtype != torch.float32:
        raise Unsupported(
            f"{method}: this peer runs on a CPU from float32, not on {system.device_type} from {system.dtype}"
        )


def require_cuda(method: str, system: DiffusionSystem) -> None:
    """Raise ``Unsupported`` for a denoiser that is not on an NVIDIA GPU."""
    if system.device_type != "cuda":
        raise Unsupported(f"{method}: its kernels run on an NVIDIA GPU only, and the system is on {system.device_type}")
