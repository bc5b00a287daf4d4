"""What must stand under a table for its numbers to mean something: samples, seeds, place, and what the intervals are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from effbench.counted import counted, listed
from effbench.raw import CENTRED, CENTRED_ROOT, how_of
from effbench.record import CellRecord
from effbench.report.columns import Column, has_several_places
from effbench.report.ranks import RANK_TEXT
from effbench.report.rounding import rounded
from effbench.report.summarise import WorkloadCells, name_of
from effbench.report.trust import noise_lines, standing_lines

METHOD_TEXT = {
    "bootstrap_percentile": "percentile bootstrap over {units}",
    CENTRED: "centred bootstrap over {units}",
    CENTRED_ROOT: "bootstrap over {units}, centred on the scale of the root",
    "wilson": "Wilson",
    "wilson_effective": "Wilson at the effective number of {units}",
    "order_statistic": "order statistics of the calls",
    "clustered_order_statistic": "order statistics of the calls, widened by the spread between rounds",
    "t_log_ratio_of_rounds": "t on log ratios of rounds",
    "t_log_ratio_of_rounds_and_items": "t on log ratios of rounds and items",
}
"""How intervals are made, in words; what holds by definition or was computed has none."""

TRAININGS_TEXT = {
    (False, False): "",
    (True, False): ", of several trainings with what those add",
    (True, True): " with what trainings add",
}
"""(Whether some, whether all of the intervals made so are over trainings too) -> what to say of it."""

NO_INTERVAL = ("", "definition", "computed")
"""How numbers came about whose interval needs no words, since they have none."""


def caption_of(workload: WorkloadCells, columns: Sequence[Column], brief: bool = False) -> tuple[str, ...]:
    """Return the caption of a table with these columns, one sentence per line.

    ``brief`` is what a reader needs first: certificates in one line, and intervals and ranks without how they are made.
    """
    lines = [
        *workload.once("caption: setting", lambda: _setting_lines(workload)),
        *certificate_lines(workload.cells[0].certificate, columns, brief),
        *workload.once("caption: state", lambda: _state_lines(workload)),
    ]
    is_ranked = any(rank for column in columns for rank in workload.ranks_of(column.name))
    if brief:
        said = f"[low, high]: {level_text(workload.levels)} interval"
        lines.append(
            f"{said}; #1 is best, and methods that share a rank cannot be told apart." if is_ranked else f"{said}."
        )
    else:
        lines += [interval_text(workload, columns), *([RANK_TEXT] if is_ranked else [])]
    return tuple(lines)


def _setting_lines(workload: WorkloadCells) -> list[str]:
    """Return what the cells ran on: samples, seeds and place in one line, machines in another."""
    samples = [
        _shared(workload, "n =", samples_text) + _trainings_text(workload),
        _shared(workload, "seeds", lambda cell: ", ".join(map(str, cell.seeds)) or "none"),
        f"subset {workload.cells[0].subset}" if workload.cells[0].subset else "no subset",
        _shared(workload, "device", lambda cell: cell.provenance.device),
        _shared(workload, "dtype", lambda cell: cell.identity.dtype),
    ]
    fingerprints = dict.fromkeys(place.machine for place in workload.places)
    machines = [machine_text(name, workload.machines.get(name, {})) for name in fingerprints]
    return ["; ".join(samples) + ".", f"{'Machines' if len(machines) > 1 else 'Machine'}: {' | '.join(machines)}."]


def _state_lines(workload: WorkloadCells) -> list[str]:
    """Return how cells were stopped, disturbed and verified, and that they ran in several places where they did."""
    lines = [*stopping_lines(workload), *noise_lines(workload.cells)]
    lines += standing_lines(workload.cells, workload.standing)
    if has_several_places(workload):
        lines.append("Measured in several places: absolute times are not comparable and left out, ratios are shown.")
    return lines


def certificate_lines(certificate: Sequence[str], columns: Sequence[Column], brief: bool) -> list[str]:
    """Return the certificate of a subset: a line per entry, or in one line that of the metrics shown, without brackets."""
    if not certificate or not brief:
        return [f"Certificate of the subset, for {words}." for words in certificate]
    shown = {column.name for column in columns}
    of_shown = [words for words in certificate if words.partition(",")[0] in shown]
    texts: list[str] = []
    metric = ""
    for words in of_shown or certificate:
        # Up to the interval of tau; what the subset is worth and saves stands in the long form.
        tau, bracket, _ = words.partition("]")
        name, _, rest = f"{tau}{bracket}".partition(", ")
        texts.append(rest if name == metric else f"{name}, {rest}")
        metric = name
    return [f"Certificate of the subset, for {'; '.join(texts)}."]


def stopping_lines(workload: WorkloadCells) -> list[str]:
    """Return what was decided of each method, where a suite stops when that is resolved; ``[]`` elsewhere."""
    texts = []
    for cell in workload.cells:
        found = cell.stopping
        if found is None or found.value is None:
            continue
        value, interval = rounded(found.value, found.ci_low, found.ci_high)
        after = f"all {found.n}" if found.n == found.pool else f"{found.n} of {found.pool}"
        texts.append(f"{name_of(workload, cell)} {found.verdict} by {value} {interval} after {after} samples")
    stops = [cell.stopping for cell in workload.cells if cell.stopping is not None]
    if not texts:
        return []
    within = f", or certain to be within ±{stops[0].resolution:g}" if stops[0].resolution is not None else ""
    return [
        f"Sampling stopped when the difference in {stops[0].metric} to the reference was decided{within}: "
        f"{listed(texts, '; ')} (intervals valid whenever one stops, {100 * stops[0].level:g} % over all "
        f"{stops[0].comparisons} together; other numbers are of the samples that were run)."
    ]


def machine_text(fingerprint: str, machine: Mapping[str, Any]) -> str:
    """Return a machine in words: processor, cores, GPU, memory, and the fingerprint that names it in the store."""
    parts = [str(machine["cpu_model"])] if machine.get("cpu_model") else []
    parts += [str(machine["instructions"][-1])] if machine.get("instructions") else []
    parts += [counted(machine["cores"], "core")] if machine.get("cores") else []
    gpu = machine.get("gpu")
    parts += [", ".join(map(str, gpu)) if isinstance(gpu, list | tuple) else str(gpu)] if gpu else []
    parts += [f"{machine['memory_gb']:g} GB"] if isinstance(machine.get("memory_gb"), int | float) else []
    return f"{', '.join(parts) or 'unknown'} [{fingerprint}]"


def interval_text(workload: WorkloadCells, columns: Sequence[Column]) -> str:
    """Return what the bracketed intervals are: their level, and how they were made on each axis."""
    made: dict[str, dict[str, set[bool]]] = {}  # axis -> how, in words -> whether over trainings too
    for column in columns:
        for words, is_over_trainings in _how_made(workload, column.name):
            made.setdefault(column.axis, {}).setdefault(words, set()).add(is_over_trainings)
    texts = {
        axis: [f"{words}{TRAININGS_TEXT[max(w), min(w)]}" for words, w in found.items()] for axis, found in made.items()
    }
    how_made = "; ".join(f"{axis}: {', '.join(words)}" for axis, words in texts.items())
    return f"[low, high]: {level_text(workload.levels)} interval" + (f" ({how_made})." if how_made else ".")


def _how_made(workload: WorkloadCells, name: str) -> Collection[tuple[str, bool]]:
    """Return how the intervals of a number were made: in words, and whether over trainings too."""

    def make() -> Collection[tuple[str, bool]]:
        numbers = zip(workload.numbers_of(name), map(units_of, workload.cells))
        ways = dict.fromkeys((n.ci_method, how_of(n), units) for n, units in numbers if n is not None)
        return [
            (METHOD_TEXT.get(how, how.replace("_", " ")).replace("{units}", units), how != full)
            for full, how, units in ways
            if full not in NO_INTERVAL
        ]

    return workload.once(f"caption: intervals of {name}", make)


def units_of(cell: CellRecord) -> str:
    """Return what of a cell is independent of each other: ``groups`` of samples, or ``samples``."""
    return "groups" if cell.n_groups not in (0, cell.n_samples) else "samples"


def samples_text(cell: CellRecord) -> str:
    """Return what a cell's quality is of: ``40 samples in 8 groups``."""
    groups = f" in {counted(cell.n_groups, 'group')}" if units_of(cell) == "groups" else ""
    return counted(cell.n_samples, "sample") + groups


def _trainings_text(workload: WorkloadCells) -> str:
    """Return how often methods were trained, each with a seed of its own; ``""`` where none is trained at random."""
    counts: dict[int, list[str]] = {}
    for cell in workload.cells:
        if cell.status == "complete" or all(other.status != "complete" for other in workload.cells):
            counts.setdefault(len(cell.trainings), []).append(cell.method_id)
    texts = [
        counted(count, "training") + (f" ({listed(methods)})" if len(counts) > 1 else "")
        for count, methods in counts.items()
        if count
    ]
    return "".join(f", {text}" for text in texts)


def level_text(levels: Sequence[float]) -> str:
    """Return the level of intervals in words: ``95 %``."""
    return " or ".join(f"{100 * level:g} %" for level in levels) or "confidence"


def _shared(workload: WorkloadCells, word: str, fact: Callable[[CellRecord], str]) -> str:
    """Return ``word fact`` where all finished cells agree, else each fact with the methods it holds for."""
    cells = [cell for cell in workload.cells if cell.status == "complete"] or workload.cells
    holders: dict[str, list[str]] = {}
    for cell in cells:
        holders.setdefault(fact(cell), []).append(cell.method_id)
    if len(holders) == 1:
        return f"{word} {next(iter(holders))}"
    return f"{word} " + " / ".join(f"{value} ({listed(methods)})" for value, methods in holders.items())
