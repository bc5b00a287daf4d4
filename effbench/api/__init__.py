"""The contract between EffBench and a plugin: what the author of a task or of a method imports.

Importing this package is cheap and free of torch, and so must be importing a module that defines a Task or a Method:
heavy imports live inside the methods. ``effbench.testing`` holds the checkers that say whether a plugin keeps the
contract.
"""

from effbench.api.method import Execution, Method
from effbench.api.metrics import Axis, Claim, Fact, Metric
from effbench.api.params import PluginError, StrictParams, Unsupported
from effbench.api.samples import (
    Output,
    Sample,
    Scores,
    Split,
    Summariser,
    noise_seed,
    reproducible,
    select,
    weighted_means,
)
from effbench.api.system import WORK_VARIABLE, Artifact, Context, System, work_folder
from effbench.api.task import PROBED_ITEMS, Picture, Task, source_folder, without_target
from effbench.api.version import API_VERSION

__all__ = [
    "API_VERSION",
    "PROBED_ITEMS",
    "WORK_VARIABLE",
    "Artifact",
    "Axis",
    "Claim",
    "Context",
    "Execution",
    "Fact",
    "Method",
    "Metric",
    "Output",
    "Picture",
    "PluginError",
    "Sample",
    "Scores",
    "Split",
    "StrictParams",
    "Summariser",
    "System",
    "Task",
    "Unsupported",
    "noise_seed",
    "reproducible",
    "select",
    "source_folder",
    "weighted_means",
    "without_target",
    "work_folder",
]
