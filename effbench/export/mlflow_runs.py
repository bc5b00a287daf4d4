"""Runs of MLflow out of the cells of a store; a cell that is there with this very content is left alone.

A cell measured anew becomes a new run beside the old one. A run that an earlier export left unfinished is deleted and made
again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from effbench.errors import BadInput, one_line
from effbench.export.run_content import CONTENT, RunContent

INSTALL = "pip install 'effbench[mlflow]'"
"""What brings MLflow with what its SQLite store needs."""
MOST_METRICS, MOST_ENTRIES = 500, 50
"""Metrics, and parameters or tags, that are sent at a time: half of MLflow's limits, for the sake of its limit on bytes."""
PAGE = 1000
"""Runs that are looked through at a time."""
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
"""What an address begins with where MLflow goes to a database itself."""
DONE = ("FINISHED", "FAILED")
"""Statuses of a run that was written to its end."""


class ExportedRuns(NamedTuple):
    """How many runs were made, and how many stood there already; where, and in which experiment."""

    made: int
    kept: int
    where: str
    experiment: str


def export_runs(contents: Sequence[RunContent], experiment: str, tracking_uri: str | None = None) -> ExportedRuns:
    """Write runs to an experiment of a tracking store (default: MLflow's own choice) and return what was done.

    Raises ``BadInput`` in one sentence where MLflow is not installed, or refuses.
    """
    client = _client(tracking_uri)
    try:
        where = str(client.tracking_uri)
        place = _experiment(client, experiment)
        known = _known(client, place)
        made = 0
        for content in contents:
            status, run_id = known.get(content.content, ("", ""))
            if status in DONE:
                continue
            if run_id:
                client.delete_run(run_id)
            _write(client, place, content)
            made += 1
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - as in _client
        raise BadInput(f"MLflow did not take the runs: {one_line(error)}") from None
    return ExportedRuns(made, len(contents) - made, where, experiment)


def _client(tracking_uri: str | None) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nobody asked for it
    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)  # a line per table of a new database
    try:
        import mlflow

        uri = tracking_uri or str(mlflow.get_tracking_uri())
        if uri.partition(":")[0].partition("+")[0] in DATABASES:
            for module in ("sqlalchemy", "alembic"):  # without them MLflow says that it does not know the scheme
                import_module(module)
        return mlflow.MlflowClient(tracking_uri=uri)
    except ModuleNotFoundError as error:
        raise BadInput(
            f"MLflow is not installed, or not all that {tracking_uri or 'it'} needs ({error}): {INSTALL}"
        ) from None
    except Exception as error:  # noqa: BLE001 - a tracking store raises MLflow's errors, its database's and its HTTP library's
        raise BadInput(f"{tracking_uri}: MLflow cannot use it: {one_line(error)}") from None


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name))
    if found.lifecycle_stage != "active":
        raise BadInput(f"the experiment {name!r} was deleted in MLflow: restore it, or name another with --experiment")
    return str(found.experiment_id)


def _known(client: Any, experiment: str) -> Mapping[str, tuple[str, str]]:
    """Return content -> (status, id) of the runs that earlier exports made."""
    return {
        run.data.tags[CONTENT]: (str(run.info.status), str(run.info.run_id))
        for run in _runs(client, experiment)
        if CONTENT in run.data.tags
    }


def _runs(client: Any, experiment: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs([experiment], max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _write(client: Any, experiment: str, content: RunContent) -> None:
    """Make a run; its status says at the end that all of it is there."""
    from mlflow.entities import Metric, Param, RunTag

    first = {CONTENT: content.content}
    run_id = client.create_run(experiment, content.started_ms, first, content.name).info.run_id
    at = content.ended_ms or 0
    metrics = [Metric(key, value, at, 0) for key, value in content.metrics.items()]
    params = [Param(key, value) for key, value in content.params.items()]
    tags = [RunTag(key, value) for key, value in content.tags.items()]
    for some in _pieces(metrics, MOST_METRICS):
        client.log_batch(run_id, metrics=some)
    for some in _pieces(params, MOST_ENTRIES):
        client.log_batch(run_id, params=some)
    for some in _pieces(tags, MOST_ENTRIES):
        client.log_batch(run_id, tags=some)
    client.set_terminated(run_id, "FAILED" if content.is_failed else "FINISHED", content.ended_ms)


def _pieces(entries: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(entries), most):
        yield entries[start : start + most]
