"""What a method for diffusion models needs, from one import: the system, its layers, its steps and its guided halves.

``effbench.tasks.diffusion`` loads and calls pipelines; a method never needs it.
"""

from effbench.diffusion.guidance import DenoiserCall, GuidanceOrder, Step
from effbench.diffusion.layers import AttentionKind, AttentionLayer
from effbench.diffusion.observer import SamplingObserver
from effbench.diffusion.observing import observed
from effbench.diffusion.system import DiffusionSystem

__all__ = [
    "AttentionKind",
    "AttentionLayer",
    "DenoiserCall",
    "DiffusionSystem",
    "GuidanceOrder",
    "SamplingObserver",
    "Step",
    "observed",
]
