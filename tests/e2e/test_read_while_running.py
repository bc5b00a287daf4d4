"""A store that is read while a run writes to it: finished cells with their numbers, how many are pending, and no error."""

import time

import pytest
from support import suite_text

from effbench.errors import StoreError
from effbench.report.compare import compare
from effbench.report.formats import FORMATS, render
from effbench.report.summarise import summarise
from effbench.store import read_store

METHODS = ["{use: toy-momentum}", "{use: toy-half-steps}"]
TASK = "with: {steps: 8, dim: 2, problems: 12}"
SLOW_TASK = "with: {steps: 8, dim: 2, problems: 12, step_cost_ms: 2}"


def read_until_it_ends(process, store):
    """Read a store in every way until a process ends; return (finished cells, table in Markdown) of each reading."""
    readings = []
    while not readings or process.poll() is None:
        try:
            view = read_store(store)
        except StoreError as error:
            assert not readings and "not an EffBench store" in str(error)  # before its first file is there
            assert process.poll() in (None, 0), "the run failed before it began"
            continue
        summary = summarise(view)
        texts = {name: render(summary, name) for name in FORMATS}
        if len([cell for cell in view.cells if cell.task_id == "minimise"]) > 1:
            compare(view, "toy-momentum", "reference", "minimise")
        time.sleep(0.05)
        readings.append((len(view.cells), texts["md"]))
    return readings


@pytest.mark.whole
def test_finished_cells_are_shown_while_others_are_run(cli, write_suite):
    """The records of a task are written once its methods were timed together, so the first task is there first."""
    text = suite_text(methods=METHODS, latency="{rounds: 2, budget_s: 0.1}", memory=True)
    text = text.replace(TASK, SLOW_TASK)
    first = text[text.index("  - id: minimise") : text.index("methods:")]
    suite = write_suite(
        text.replace(first, first + first.replace("id: minimise", "id: second").replace("dim: 2", "dim: 3"))
    )
    store = cli.cwd / "results/small"
    readings = read_until_it_ends(cli.popen("run", suite), store)
    counts = [count for count, _ in readings]
    assert counts == sorted(counts), "no cell that was finished is lost again"
    assert 3 in counts, "the first task was never seen alone"
    assert len(read_store(store).cells) == 6
    for count, table in readings:
        assert ("### minimise" in table, "### second" in table) == (count > 0, count > 3)
        left = -count % 3
        said = f"{left} of 3 cells {'is' if left == 1 else 'are'} not finished yet"
        assert (said in table) == (left > 0)


@pytest.mark.whole
def test_a_store_that_is_extended_is_read_as_it_was_or_as_it_is(cli, write_suite):
    """New parts stand beside the tables of the record, which are replaced once a cell is finished anew."""
    text = suite_text(methods=METHODS[:1], latency="{rounds: 2, budget_s: 0.1}").replace(TASK, SLOW_TASK)
    assert cli("run", write_suite(text)).code == 0
    store = cli.cwd / "results/small"
    more = suite_text(methods=METHODS[:2], latency="{rounds: 3, budget_s: 0.1}", limit=12).replace(TASK, SLOW_TASK)
    process = cli.popen("run", write_suite(more))
    readings = []
    while not readings or process.poll() is None:
        view = read_store(store)
        try:
            found = compare(view, "toy-momentum", "reference")
        except StoreError as error:  # the record was read a moment before its table was replaced
            assert "a run that writes to the store may just have replaced it" in str(error)
            continue
        time.sleep(0.02)
        readings.append(next(row.n for row in found.rows if row.number == "gap"))
    assert set(readings) <= {6, 12}
    assert compare(read_store(store), "toy-momentum", "reference").rows[0].n == 12
