"""The numbers that are EffBench's own: one entry each, which every table, picture, gate and exporter reads.

A number of a further batch size carries it behind an ``@`` (``speedup@b4``) and is otherwise that of its entry. Metrics of
tasks and facts of methods are declared by plugins and are not listed; none of them may take a name of these.
"""

from __future__ import annotations

from typing import NamedTuple

from effbench.record import AxisName


class CatalogueEntry(NamedTuple):
    """What is known of a number before anything is measured.

    ``label`` is its heading where the words of its name would not do, ``short`` that of the headline table. ``is_exact``: it
    is counted, and comes out the same each time. ``companion`` is the number whose rounds or resamples say how it varies,
    itself where it has an interval of its own; ``""``: it is measured once. ``is_timed``: it depends on the machine.
    ``same_as`` is a number that says the same in another form, so that a comparison of two methods needs only that one.
    """

    name: str
    unit: str
    axis: AxisName
    higher_is_better: bool = False
    label: str = ""
    short: str = ""
    is_exact: bool = False
    companion: str = ""
    is_timed: bool = False
    same_as: str = ""


MEDIAN, SPEEDUP, PARAMETERS = "latency_p50_ms", "speedup", "parameter_mb"
"""The median latency, by which two methods are compared; its ratio to the reference in shared rounds, by which methods are
ranked; and the weights, which every headline shows beside the peak of memory."""

RATIO_UNITS = frozenset({"", "x", "×", "1"})
"""Units of what needs none, as suites and papers write them: two of them are the same unit, and no machine enters them."""

LATENCY = (
    CatalogueEntry(MEDIAN, "ms", "latency", short="latency", companion=SPEEDUP, is_timed=True),
    CatalogueEntry("latency_p90_ms", "ms", "latency", companion="latency_p90_ms", is_timed=True),
    CatalogueEntry("latency_p95_ms", "ms", "latency", companion="latency_p95_ms", is_timed=True),
    CatalogueEntry("latency_p99_ms", "ms", "latency", companion="latency_p99_ms", is_timed=True),
    CatalogueEntry(SPEEDUP, "x", "latency", True, short="speed-up", companion=SPEEDUP, same_as=MEDIAN),
    CatalogueEntry("throughput_per_s", "1/s", "latency", True, companion=SPEEDUP, is_timed=True, same_as=MEDIAN),
    CatalogueEntry("first_call_ms", "ms", "latency", is_timed=True),
    CatalogueEntry("load_s", "s", "latency", is_timed=True),
)
MEMORY = (
    CatalogueEntry("peak_rss_growth_mb", "MB", "memory", short="peak memory"),
    CatalogueEntry("peak_rss_mb", "MB", "memory"),
    CatalogueEntry("peak_rss_sampled_mb", "MB", "memory"),
    CatalogueEntry(PARAMETERS, "MB", "memory", label="parameter memory", short="params", is_exact=True),
    CatalogueEntry("peak_allocated_mb", "MB", "memory", short="peak memory"),
    CatalogueEntry("peak_reserved_mb", "MB", "memory"),
    CatalogueEntry("peak_process_mb", "MB", "memory"),
)
COMPUTE = (
    CatalogueEntry("gflop_per_sample", "GFLOP", "compute", short="compute", is_exact=True),
    CatalogueEntry("gbyte_per_sample", "GB", "compute", label="bytes moved per sample", is_exact=True),
    CatalogueEntry("flop_per_byte", "FLOP/B", "compute", True, label="arithmetic intensity", is_exact=True),
    CatalogueEntry("roofline_share", "share", "compute", True, is_timed=True),
)
ENERGY = (CatalogueEntry("energy_j_per_sample", "J", "energy", is_timed=True),)
PREPARATION = (
    CatalogueEntry("preparation_s", "s", "preparation", short="prep.", is_timed=True),
    CatalogueEntry("preparation_whole_s", "s", "preparation", label="preparation with its columns", is_timed=True),
)

CATALOGUE = {entry.name: entry for entry in (*LATENCY, *MEMORY, *COMPUTE, *ENERGY, *PREPARATION)}

HEADLINE = (
    (SPEEDUP,),
    (MEDIAN,),
    ("peak_rss_growth_mb", "peak_allocated_mb"),
    (PARAMETERS,),
    ("gflop_per_sample",),
    ("preparation_s",),
)
"""What every reader needs behind the primary quality, by ``CatalogueEntry.short``; of two names the one that is
primary where it was measured. Everything else is asked for by name, another batch size too."""

COMPARED_AXES = ("quality", "latency", "memory", "compute")
"""What a comparison of two methods shows unasked, in this order: what a user of the method pays and gets on every call."""


def entry_of(name: str) -> CatalogueEntry | None:
    """Return the entry of a number, at any batch size; None where it is not one of ours."""
    return CATALOGUE.get(name.partition("@")[0])


def is_timed(name: str) -> bool:
    """Return whether a number depends on the machine, so that those of two places are not comparable."""
    entry = entry_of(name)
    return entry is not None and entry.is_timed


def is_exact(name: str) -> bool:
    """Return whether a number is counted and comes out the same each time."""
    entry = entry_of(name)
    return entry is not None and entry.is_exact


def companion_of(name: str) -> str:
    """Return the number, at its batch size, whose rounds or resamples say how this one varies; ``""`` for none of ours."""
    entry, (_, at, size) = entry_of(name), name.partition("@")
    return f"{entry.companion}{at}{size}" if entry is not None and entry.companion else ""


def is_ours(name: str) -> bool:
    """Return whether a name is that of a number which EffBench measures itself."""
    return entry_of(name) is not None
