"""A method's results as the hub's model card has them: ``model-index`` in YAML front matter, and the table under it.

The form is the hub's (huggingface/hub-docs, ``modelcard.md``): a result is of a task and a data set and holds metrics. What
it has no place for (interval, unit, machine) stands among a metric's ``args``, and all of it in the table. ``verified`` means
to the hub that Hugging Face itself ran the evaluation, so it is never true here; who made the numbers again is said in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import yaml

from effbench.catalogue import SPEEDUP, entry_of, is_exact
from effbench.errors import BadInput
from effbench.export.choosing import chosen_cells
from effbench.record import CellRecord, Number
from effbench.report.caption import level_text, machine_text, samples_text
from effbench.report.columns import Column, columns_of
from effbench.report.markdown import escape_markdown, render_markdown
from effbench.report.standing import SELF_REPORTED
from effbench.report.summarise import WorkloadCells, number_of, summarise, where_of
from effbench.report.tables import FLAG_TEXT, table_of
from effbench.report.trust import badge_of
from effbench.store import StoreView
from effbench.verification import Verification

HUB_TASKS = {"t2i": "text-to-image", "t2v": "text-to-video"}
"""Task -> what the hub calls it; others keep the name that they have here, since the hub has none for them."""

OF_A_MACHINE = ("latency", "memory", "energy", "preparation")
"""Axes whose numbers mean nothing without the machine, unless they are counted."""


def model_card(
    view: StoreView, method: str, task: str | None = None, name: str | None = None, checks: Sequence[Verification] = ()
) -> str:
    """Return the card of a method of a store, of one task where ``task`` is given, under ``name`` (default: the method's).

    It is a Markdown document whose front matter holds ``model-index`` alone, to be merged with a card's own. ``checks`` are
    who checked the store. Raises ``BadInput`` with the nearest name where there is no such method or task, or where no
    number of it has a value.
    """
    ids = {cell.id for cell in chosen_cells(view, (method,), task)}
    of_workload = [(workload, [c for c in workload.cells if c.id in ids]) for workload in summarise(view).workloads]
    chosen = [(workload, cells) for workload, cells in of_workload if cells]
    results = [result for workload, cells in chosen for cell in cells if (result := _result(workload, cell))]
    if not results:
        raise BadInput(f"{method} has no number with a value in {view.path}, so a card of it would say nothing")
    index = [{"name": _line(name or method), "results": results}]
    front = yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True, width=10_000)
    tables = [table_of(_beside_reference(workload, cells)) for workload, cells in chosen]
    body = [f"## {escape_markdown(name or method)}: results measured by EffBench", "", *_said(chosen, checks), ""]
    return f"---\n{front}---\n\n" + "\n".join(body) + f"\n{render_markdown(tables)}"


def _result(workload: WorkloadCells, cell: CellRecord) -> dict[str, Any] | None:
    """Return a cell as a result of the hub's; None where no number of its headline has a value."""
    metrics = []
    for column in columns_of(workload):
        number = number_of(cell, column.name)
        if number is not None and number.value is not None:
            metrics.append(_metric(workload, cell, column, number))
    if not metrics:
        return None
    where = " ".join(filter(None, (workload.title, where_of(workload, cell))))
    data: dict[str, Any] = {
        "name": _line(f"{where} ({samples_text(cell)})"),
        "type": _line(f"effbench-{cell.identity.task}"),
        "config": _line(where),
        "args": {**_plain(cell.identity.task_params), "seeds": list(cell.seeds), "samples": cell.n_samples},
    }
    if cell.subset:
        data["args"]["subset"] = _line(cell.subset)
    kind = HUB_TASKS.get(cell.identity.task, cell.identity.task)
    return {"task": {"type": _line(kind), "name": _line(cell.task_id)}, "dataset": data, "metrics": metrics}


def _metric(workload: WorkloadCells, cell: CellRecord, column: Column, number: Number) -> dict[str, Any]:
    args: dict[str, Any] = {"unit": _line(number.unit), "n": number.n, "badge": badge_of(cell)}
    args["higher_is_better"] = number.higher_is_better
    if number.ci_low is not None and number.ci_high is not None:
        args |= {"ci_low": number.ci_low, "ci_high": number.ci_high, "ci_level": level_text(workload.levels)}
    entry = entry_of(number.name)
    if entry is not None and entry.name == SPEEDUP:
        args["relative_to"] = _line(_reference(workload, cell))
    if number.axis in OF_A_MACHINE and not is_exact(number.name):
        origin = cell.provenance
        args["machine"] = _line(machine_text(origin.machine, workload.machines.get(origin.machine, {})))
        args |= {"device": _line(origin.device), "dtype": _line(cell.identity.dtype)}
    if number.flags:
        args["remarks"] = [_line(FLAG_TEXT.get(flag, flag)) for flag in number.flags]
    if (made := workload.standing(cell).text) != SELF_REPORTED:
        args["verification"] = _line(made)
    unit = f" ({column.unit})" if column.unit else ""
    label = replace(column, title="").label  # a card has room for more than a table's short words
    return {
        "type": _line(number.name),
        "value": number.value,
        "name": _line(f"{label}{unit}"),
        "args": args,
        "verified": False,
    }


def _reference(workload: WorkloadCells, cell: CellRecord) -> str:
    return next((other.method_id for other in workload.cells if other.id == cell.reference_cell), "reference")


def _beside_reference(workload: WorkloadCells, cells: Sequence[CellRecord]) -> WorkloadCells:
    """Return the workload with these cells and the references alone: what the table of a card compares."""
    ids = {cell.id for cell in cells}
    kept = [raw for raw in workload.raw if raw.record.id in ids or raw.record.role == "reference"]
    return replace(workload, cells=tuple(raw.record for raw in kept), raw=tuple(kept))


def _said(chosen: Sequence[tuple[WorkloadCells, Sequence[CellRecord]]], checks: Sequence[Verification]) -> list[str]:
    """Return by which version the numbers were made, and who made them again."""
    cells = [cell for _, cells in chosen for cell in cells]
    versions = " and ".join(dict.fromkeys(cell.provenance.effbench_version for cell in cells))
    suites = ", ".join(dict.fromkeys(cell.suite for cell in cells))
    badges = ", ".join(dict.fromkeys(map(badge_of, cells)))
    lines = [f"EffBench {versions}, suite {suites}; {badges}."]
    lines += [f"The folder of the results says that they were checked: {check.sentence}." for check in checks]
    if not checks and all(workload.standing(cell).text == SELF_REPORTED for workload, own in chosen for cell in own):
        lines.append("Self-reported: nobody else has made these numbers again.")
    return [escape_markdown(line) for line in lines]


def _plain(value: Any) -> Any:
    """Return parameters of a plugin as YAML that any reader takes: text on one line, and nothing for what is null."""
    if isinstance(value, dict):
        return {_line(str(key)): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else _line(str(value))


def _line(text: str) -> str:
    """Return text on one line, so that none of it can end the front matter."""
    return " ".join(text.split())
