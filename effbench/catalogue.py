"""The numbers that are EffBench's own: one entry each, which every table, picture, gate and exporter reads.

A number of a further batch size carries it behind an ``@`` (``speedup@b4``) and is otherwise that of its entry. Metrics of
tasks and facts of methods are declared by plugins and are not listed; none of them may take a name of these.
"""

from __future__ import annotations

from typing import NamedTuple

from effbench.record import AxisName


class Entry(NamedTuple):
    """What is known of a number before anything is measured.

    ``label`` is its heading where the words of its name would not do, ``short`` that of the headline table. ``is_exact``: it
    is counted, and comes out the same each time. ``drawn_as`` is the number whose rounds or resamples say how it varies,
    itself where it has an interval of its own; ``""``: it is measured once. ``is_timed``: it depends on the machine.
    """

    name: str
    unit: str
    axis: AxisName
    higher_is_better: bool = False
    label: str = ""
    short: str = ""
    is_exact: bool = False
    drawn_as: str = ""
    is_timed: bool = False


LATENCY = (
    Entry("latency_p50_ms", "ms", "latency", short="latency", drawn_as="speedup", is_timed=True),
    Entry("latency_p90_ms", "ms", "latency", drawn_as="latency_p90_ms", is_timed=True),
    Entry("latency_p95_ms", "ms", "latency", drawn_as="latency_p95_ms", is_timed=True),
    Entry("latency_p99_ms", "ms", "latency", drawn_as="latency_p99_ms", is_timed=True),
    Entry("speedup", "x", "latency", True, short="speed-up", drawn_as="speedup"),
    Entry("throughput_per_s", "1/s", "latency", True, drawn_as="speedup", is_timed=True),
    Entry("first_call_ms", "ms", "latency", is_timed=True),
    Entry("load_s", "s", "latency", is_timed=True),
)
MEMORY = (
    Entry("peak_rss_growth_mb", "MB", "memory", short="peak memory"),
    Entry("peak_rss_mb", "MB", "memory"),
    Entry("peak_rss_sampled_mb", "MB", "memory"),
    Entry("parameter_mb", "MB", "memory", short="params", is_exact=True),
    Entry("peak_allocated_mb", "MB", "memory", short="peak memory"),
    Entry("peak_reserved_mb", "MB", "memory"),
    Entry("peak_process_mb", "MB", "memory"),
)
COMPUTE = (
    Entry("gflop_per_sample", "GFLOP", "compute", short="compute", is_exact=True),
    Entry("gbyte_per_sample", "GB", "compute", label="bytes moved per sample", is_exact=True),
    Entry("flop_per_byte", "FLOP/B", "compute", True, label="arithmetic intensity", is_exact=True),
    Entry("roofline_share", "share", "compute", True, is_timed=True),
)
ENERGY = (Entry("energy_j_per_sample", "J", "energy", is_timed=True),)
PREPARATION = (Entry("preparation_s", "s", "preparation", short="prep.", is_timed=True),)

CATALOGUE = {entry.name: entry for entry in (*LATENCY, *MEMORY, *COMPUTE, *ENERGY, *PREPARATION)}


def entry_of(name: str) -> Entry | None:
    """Return the entry of a number, at any batch size; None where it is not one of ours."""
    return CATALOGUE.get(name.partition("@")[0])


def is_ours(name: str) -> bool:
    """Return whether a name is that of a number which EffBench measures itself."""
    return entry_of(name) is not None
