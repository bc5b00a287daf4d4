"""What a cell costs besides time: memory, compute with its distance to the machine's roofline, energy, preparation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from effbench.catalogue import CATALOGUE, MEMORY
from effbench.readings import Calibration, shortest_time_s
from effbench.record import Number, Reason

MB, GIGA = 1e6, 1e9
"""Decimal, as SI has it and as tables of parameters and FLOPs count."""
BYTES = {
    "peak_rss_growth_mb": "peak_rss_growth",
    "peak_rss_mb": "peak_rss",
    "peak_rss_sampled_mb": "peak_rss_sampled",
    "parameter_mb": "parameter_bytes",
    "peak_allocated_mb": "device_allocated",
    "peak_reserved_mb": "device_reserved",
    "peak_process_mb": "device_process",
}
"""Number -> what the memory job calls the bytes behind it."""


def memory_numbers(use: Mapping[str, Any] | None, missing: Reason | None, device: str) -> list[Number]:
    """Return peak and parameter memory in MB (1e6 bytes); the primary one is the device's where there is a device."""
    on_device = device != "cpu"
    numbers = []
    absent: Reason = missing or ("unsupported" if use else "error")
    for entry in MEMORY:
        name, key = entry.name, BYTES[entry.name]
        if key.startswith("device_") and not on_device:
            continue
        primary = name == ("peak_allocated_mb" if on_device else "peak_rss_growth_mb")
        size = use.get(key) if use else None
        flags = ("peak_includes_load",) if use and not use["hwm_reset"] and name.startswith("peak_rss") else ()
        numbers.append(
            Number(
                name=name,
                axis="memory",
                unit=entry.unit,
                value=None if size is None else size / MB,
                n=0 if size is None else 1,
                higher_is_better=entry.higher_is_better,
                primary=primary,
                reason=None if size is not None else absent,
                flags=flags,
            )
        )
    return numbers


def compute_numbers(
    seen: Mapping[str, Any] | None,
    missing: Reason | None,
    latency_s: float | None,
    no_latency: Reason,
    calibration: Calibration | None,
    no_calibration: Reason,
) -> list[Number]:
    """Return operations and bytes of a call at batch size 1, their ratio, and the share of the roofline that is reached.

    ``seen`` is what the inspection counted; ``latency_s`` the median call at batch size 1 (None: for ``no_latency``);
    ``calibration`` holds the peaks of the machine (None: for ``no_calibration``).
    The share is the shortest time that the measured peaks of the machine allow, divided by the time taken.
    """
    flops = bytes_moved = intensity = share = None
    absent: Reason = missing or ("unsupported" if seen is not None else "error")
    why_share: Reason = absent
    varies = seen is not None and len(set(seen.get("flops_by_item", ()))) > 1
    if seen is not None and "flops_by_dtype" in seen:
        total = sum(seen["flops_by_dtype"].values())
        flops, bytes_moved = total / GIGA, seen["bytes_moved"] / GIGA
        intensity = total / seen["bytes_moved"] if seen["bytes_moved"] else None
        shortest = None
        if calibration is not None:
            shortest = shortest_time_s(seen["flops_by_dtype"], seen["least_bytes"], calibration)
        share = shortest / latency_s if shortest is not None and latency_s else None
        why_share = no_latency if latency_s is None else no_calibration if calibration is None else "unsupported"
    flags = ("varies_by_sample",) if varies else ()
    return [
        single_number("gflop_per_sample", flops, absent, primary=True, flags=flags),
        single_number("gbyte_per_sample", bytes_moved, absent, flags=flags),
        single_number("flop_per_byte", intensity, absent, flags=flags),
        single_number("roofline_share", share, why_share),
    ]


def energy_number(used: Mapping[str, Any] | None, missing: Reason | None) -> Number:
    """Return joules per call at the first batch size, divided by its samples; null without a readable counter."""
    joules = None if used is None else used["joules_per_call"]
    value = None if used is None or joules is None else joules / used["batch_size"]
    return single_number("energy_j_per_sample", value, missing or "no_device", primary=True)


def single_number(
    name: str, value: float | None, missing: Reason | None, *, primary: bool = False, flags: tuple[str, ...] = ()
) -> Number:
    """Return a number of the catalogue that was measured once, without an interval."""
    entry = CATALOGUE[name]
    return Number(
        name=name,
        axis=entry.axis,
        unit=entry.unit,
        value=value,
        n=0 if value is None else 1,
        higher_is_better=entry.higher_is_better,
        primary=primary,
        reason=missing if value is None else None,
        flags=flags if value is not None else (),
    )


def fact_numbers(
    facts: Mapping[str, tuple[float, str, bool]] | None, trainings: Mapping[str, int] | None
) -> list[Number]:
    """Return what the methods of a chain computed about the system that they made: computed, never measured.

    ``trainings``: over how many each is a mean; of a store that does not tell, one.
    """
    over = trainings or {}
    return [
        Number(
            name=name,
            axis="facts",
            unit=unit,
            value=value,
            n=over.get(name, 1),
            ci_method="computed",
            higher_is_better=higher,
        )
        for name, (value, unit, higher) in (facts or {}).items()
    ]
