"""Our own operations, one folder each: ``reference.py`` is the specification, ``cost.py`` counts its work.

``record_kernel`` is the door by which a compiled kernel that no profiler sees says that it ran; plugins use it too.
"""

from effbench.kernels.recording import record_kernel

__all__ = ["record_kernel"]
