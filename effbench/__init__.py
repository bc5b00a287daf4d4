"""EffBench: quality, latency and memory of efficient-AI methods in one honest table.

Plugin authors import from ``effbench.api``; everything else is internal.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("effbench")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+uninstalled"
