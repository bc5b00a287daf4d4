"""What the runner asks of whoever starts its workers: a launcher of local processes, or of a cluster's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from effbench.runner.jobs import Failed, JobSpec, Message


class WorkerError(Exception):
    """The worker is gone, or was ended, without finishing its job."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Worker(Protocol):
    """A running job, seen from the parent."""

    def send(self, request: object) -> None:
        """Send a request; that the worker has died shows at the next ``receive``."""

    def receive(self, timeout_s: float) -> Message:
        """Block until the worker says something; raise ``WorkerError`` where it dies or says nothing for too long."""

    @property
    def ends(self) -> Sequence[Any]:
        """Return what becomes ready, for ``multiprocessing.connection.wait``, when the worker speaks or ends."""

    def poll(self, silent_s: float, timeout_s: float) -> Message | None:
        """Return what the worker has said, None where it runs and says nothing; raise ``WorkerError`` as ``receive`` does."""

    def kill(self) -> None:
        """End the worker now and wait until it is gone."""

    def finish(self) -> None:
        """Wait for a worker that has said its last word."""


class Launcher(Protocol):
    """Starts workers, all on one machine, which it names."""

    @property
    def machine(self) -> str:
        """Return the fingerprint of the machine that the workers run on."""

    def ready(self) -> None:
        """Get ready to start workers; raise where that cannot be done."""

    def start(self, spec: JobSpec) -> Worker:
        """Start a worker on a job; raise ``WorkerError`` where that cannot be done."""

    def close(self) -> None:
        """End the workers that still run."""
