"""The fork server is killed, and with it all workers: the run starts another and goes on within seconds."""

import os
import signal
import subprocess
import time
from types import SimpleNamespace

import pytest

from effbench.runner import isolation
from effbench.runner.isolation import LocalWorker
from effbench.runner.launching import WorkerError
from effbench.store import read_store

ONCE = """
    def apply(self, system, artifact):
        log = {log!r}
        open(log, "a").write("x")
        if os.path.getsize(log) == {call}:
            os.kill(os.getppid(), 9)
            import time
            time.sleep(20)
        return system
"""


@pytest.fixture
def kills(strangers):
    """Install a method whose worker kills the fork server at its ``call``-th use, and so itself."""

    def install(call):
        body = ONCE.format(log=str(strangers.path / "calls"), call=call)
        strangers.install(f"class Kills(M):\n    name = 'kills'\n{body}", methods={"kills": "Kills"})

    return install


def test_a_server_that_is_killed_in_a_job_costs_one_more_try(strangers, kills):
    """It was "error: the worker left with exit code 255", a failed cell."""
    kills(1)
    assert strangers("run", strangers.suite(["{use: kills}"])) == 0, strangers.err
    assert "w/kills: quality: the fork server, from which all workers descend, was ended; it is tried" in strangers.err
    kills_cell = read_store(strangers.path / "results/s").cells[1]
    assert [(a.status, a.reason) for a in kills_cell.attempts if a.job == "quality"] == [
        ("failed", "signal"),
        ("done", None),
    ]


def test_a_server_that_is_killed_in_a_round_costs_one_more_round(strangers, kills):
    """The workers of the other methods die with it; none of them may lose its latency for that."""
    kills(2)
    latency = ["--set", "measure.latency={rounds: 1, budget_s: 0.05}"]
    methods = ["{use: planted-twin}", "{use: kills}"]
    assert strangers("run", strangers.suite(methods), *latency, "--json") == 0, strangers.err
    speedups = {n["method"]: n["value"] for n in strangers.json()["numbers"] if n["name"] == "speedup"}
    assert speedups.keys() == {"reference", "planted-twin", "kills"} and all(speedups.values())


def test_a_server_that_is_killed_as_it_starts_is_started_again(strangers):
    """Twice: a module that a task preloads is given up only then, and so is the worker only after that."""
    marker = strangers.path / "starts"
    (strangers.path / "kills_its_process.py").write_text(
        f"import os\nopen({str(marker)!r}, 'a').write('x')\n"
        f"if os.path.getsize({str(marker)!r}) == 1:\n    os.kill(os.getpid(), 9)\n"
    )
    body = "class P(WorkloadTask):\n    name = 'p'\n    preload = ('kills_its_process',)\n"
    strangers.install(body, tasks={"p": "P"})
    isolation.multiprocessing.forkserver._forkserver._stop()  # a server that runs already preloads nothing more
    assert strangers("run", strangers.suite(tasks=["{use: p, with: {units: 2, size: 4, samples: 4}}"])) == 0
    assert marker.read_text() == "xx", "the second server preloaded it, no worker had to"


def test_a_server_that_has_just_been_killed_is_not_taken_for_alive(monkeypatch):
    """Its sockets close before it can be reaped: the library would try to connect to it again and again."""
    tries = []
    server = subprocess.Popen(["sleep", "30"])
    monkeypatch.setattr(isolation, "_server_pid", lambda: server.pid)

    def start(context, spec):
        tries.append(isolation._has_ended(server.pid) if tries else False)
        if len(tries) == 1:
            server.send_signal(signal.SIGKILL)
            raise ConnectionRefusedError
        return "worker"

    monkeypatch.setattr(isolation, "LocalWorker", start)
    launcher = isolation.LocalLauncher("fork", ["json"], 1)
    monkeypatch.setattr(launcher, "ready", lambda: None)
    assert launcher.start(None) == "worker" and tries == [False, True] and launcher._preload == ["json"]
    server.wait()


def of_nobody(process):
    """Return a worker whose process has no server that could report its end, and whose pipes nobody closes."""
    worker = LocalWorker.__new__(LocalWorker)
    ours, worker.theirs = isolation.multiprocessing.Pipe()
    never, worker.open_end = os.pipe()
    worker._ours, worker._kills_before = ours, 0
    worker._server, worker._seen = None, isolation.psutil.Process(process.pid)
    alive = lambda: process.poll() is None  # noqa: E731
    worker._process = SimpleNamespace(
        sentinel=never, exitcode=None, join=lambda timeout=None: None, is_alive=alive, kill=process.kill
    )
    return worker


def test_an_end_that_no_pipe_tells_is_seen_all_the_same(monkeypatch):
    """A run sat in poll() for minutes with neither a worker nor a fork server left."""
    monkeypatch.setattr(isolation, "LOOK_EVERY_S", 0.05)
    process = subprocess.Popen(["sleep", "30"])
    worker = of_nobody(process)
    process.kill()
    started = time.monotonic()
    with pytest.raises(WorkerError, match="before finishing"):
        worker.receive(timeout_s=600)
    assert time.monotonic() - started < 5
    worker.kill()
    process.wait()


def test_a_worker_that_outlives_its_server_is_ended(monkeypatch):
    """The library takes it for dead, since nobody could tell it of its end."""
    process = subprocess.Popen(["sleep", "30"])
    worker = of_nobody(process)
    worker._process.is_alive = lambda: False
    worker.kill()
    assert process.wait(5) == -signal.SIGKILL
