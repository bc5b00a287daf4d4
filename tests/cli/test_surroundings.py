"""The machine around a run: streams that are closed, full or gone, other locales, long temporary folders, read-only homes.

Cases closed-and-full-streams, locale-not-utf8, long-tmpdir and read-only-home. The process is the point, so it is a real one.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from effbench.cli.caches import usable_caches
from effbench.errors import StoreError
from effbench.measure import roofline
from effbench.readings import Calibration
from effbench.runner import isolation, peaks
from effbench.runner.jobs import Done
from effbench.store import read_store

SUITE = """\
schema: effbench/suite/1
name: str
description: Prüfung →
tasks:
  - {id: w, use: workload, with: {units: 2, size: 8, samples: 4}}
methods:
  - {use: reference, role: reference}
measure: {latency: null, memory: false, flops: false, inspect: false, energy: off}
stats: {resamples: 200}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a suite and its finished store."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "suite.yaml").write_text(SUITE, "utf-8")
    assert shell(folder, "effbench run suite.yaml >/dev/null 2>&1; echo $?") == "0\n"
    return folder


def shell(folder, script, **environment):
    """Return what a bash script writes to stdout and stderr; ``effbench`` is the command of this tree."""
    command = f'effbench() {{ "{sys.executable}" -m effbench "$@"; }}\n{script}'
    env = {**os.environ, **environment}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, timeout=120)
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert "Traceback" not in text and "Exception ignored" not in text, text
    return text


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("effbench run suite.yaml --fresh 2>&- | head -1 >/dev/null; echo ${PIPESTATUS[0]}", "0"),
        ("effbench run suite.yaml --fresh 2>&1 | head -1 >/dev/null; echo ${PIPESTATUS[0]}", "0"),
        pytest.param(
            "effbench run suite.yaml --fresh 2>&1 | true; echo ${PIPESTATUS[0]}", "0", marks=pytest.mark.proof
        ),
        pytest.param(
            "effbench run suite.yaml --fresh --json | true; echo ${PIPESTATUS[0]}", "0", marks=pytest.mark.proof
        ),
        ("effbench run suite.yaml >&- 2>&- <&-; echo $?", "0"),
        ("effbench list 2>&1 | true; echo ${PIPESTATUS[0]}", "0"),
        ("effbench list 2>/dev/full >&-; echo $?", "0"),
        ("effbench list 2>&1 >/dev/full; echo $?", "error: stdout cannot be written: No space left on device\n4"),
        (
            "effbench run suite.yaml >/dev/full 2>said; echo $?; tail -1 said",
            "4\nerror: stdout cannot be written: No space left on device",
        ),
        ("effbench run suite.yaml --only nothing 2>/dev/null >/dev/full; echo $?", "2"),
        ("effbench 2>&1 >/dev/null; echo $?", "0"),
    ],
)
def test_a_stream_that_is_closed_full_or_gone_ends_nothing(folder, script, expected):
    assert ("\n" + shell(folder, script).strip()).endswith("\n" + expected)
    (cell,) = read_store(folder / "results/str").cells
    assert cell.status == "complete"  # whoever read what was said, what was to be computed is there


def test_what_is_opened_for_a_closed_stream_passes_to_the_processes_that_follow(folder):
    code = (
        "import os, sys; from effbench.cli.streams import steady_streams; steady_streams(); "
        "told = 'import os; open(\\'fds\\', \\'w\\').write(str([os.readlink(f\\'/proc/self/fd/{d}\\') for d in range(3)]))'; "
        "os.execv(sys.executable, [sys.executable, '-c', told])"
    )
    shell(folder, f'"{sys.executable}" -c "{code}" <&- >&- 2>&-')
    assert (folder / "fds").read_text() == str(["/dev/null"] * 3)


def test_fresh_leaves_results_where_they_are_when_the_run_cannot_start(folder):
    before = sorted(str(file) for file in (folder / "results/str").rglob("*"))
    refused = shell(folder, "effbench run suite.yaml --fresh --set execution.cpus=[4095]; echo $?")
    assert "core 4095 is not among those" in refused and "2\n" in refused
    assert sorted(str(file) for file in (folder / "results/str").rglob("*")) == before


def test_another_locale_reads_the_store_and_prints_what_it_can(folder):
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert "planted_cost" in shell(folder, "effbench report results/str -f csv", **ascii_only)
    done = shell(
        folder, "cp suite.yaml Prüfung.yaml; effbench run Prüfung.yaml --set stats.resamples=202", **ascii_only
    )
    assert "1 cell done" in done and "method" in done and "─" not in done
    record = next((folder / "results/str/cells").glob("*/cell.json")).read_text("utf-8")
    assert "'Prüfung.yaml'" in record
    latin = shell(folder, "effbench report results/str", PYTHONIOENCODING="latin-1")
    assert "method" in latin and "─" not in latin and "ᵃ" not in latin


def test_a_long_temporary_folder_does_not_keep_workers_from_starting(folder):
    """Case long-tmpdir: the path of a Unix socket has at most 107 bytes."""
    long = folder / ("x" * 90)
    long.mkdir()
    done = shell(folder, "effbench run suite.yaml --store results/tmp", TMPDIR=str(long))
    assert "1 cell done" in done


def test_where_no_folder_is_short_enough_workers_are_spawned(monkeypatch, capsys):
    monkeypatch.setattr(isolation, "LONGEST_SOCKET", 10)
    launcher = isolation.LocalLauncher("fork", (), 1)
    assert launcher._context.get_start_method() == "spawn" and "are spawned" in capsys.readouterr().err
    launcher.ready()
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/" + "x" * 100)
    assert isolation.socket_folder() in (os.environ.get("XDG_RUNTIME_DIR"), "/tmp", "/var/tmp", "/dev/shm")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_run_that_is_told_to_end_says_so_and_exits_with_130(folder, how):
    slow = "tasks.w.with={units: 4, size: 8, samples: 4, wait_ms: 2000}"
    command = [sys.executable, "-m", "effbench", "run", "suite.yaml", "--store", f"results/{how.name}", "--set", slow]
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    # A shell has what it runs in the background ignore SIGINT, and children inherit that.
    heed = lambda: [signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)]  # noqa: E731
    run = subprocess.Popen(command, cwd=folder, text=True, preexec_fn=heed, **pipes)
    assert "quality" in run.stderr.readline()
    run.send_signal(how)
    _, said = run.communicate(timeout=30)
    assert (run.returncode, said.splitlines()[-1]) == (130, "interrupted; what was finished is kept")


def test_peaks_that_cannot_be_kept_are_a_notice(monkeypatch, capsys):
    """Case read-only-home: the run goes on, with the peaks that were measured."""
    measured = Calibration(1, "2", {"float32": 1.0}, 1.0)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    monkeypatch.setattr(roofline, "load", lambda *_: None)
    monkeypatch.setattr(peaks, "_measure", lambda *_: Done({**vars(measured)}))
    monkeypatch.setattr(peaks, "FOREIGN_B", 2.0)
    jobs = SimpleNamespace(launcher=SimpleNamespace(machine="m"), resources=SimpleNamespace(threads=1))
    task = type("Plan", (), {"device": "cpu", "task": type("Task", (), {"preload": ("torch",)})()})()
    assert peaks.peaks_for(jobs, [task]) == measured
    assert "not kept for later runs" in capsys.readouterr().err
    with pytest.raises(StoreError):
        roofline.save(measured, "m")


def test_a_user_without_a_home_has_a_place_for_peaks(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", lambda self: (_ for _ in ()).throw(RuntimeError("no home")))
    assert str(roofline.calibration_file("m", 1)).startswith(tempfile.gettempdir())


def test_libraries_keep_their_caches_elsewhere_where_the_home_is_read_only(monkeypatch, tmp_path):
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    usable_caches()
    assert "MPLCONFIGDIR" not in os.environ
    monkeypatch.setenv("HOME", "/proc")
    usable_caches()
    assert os.environ["MPLCONFIGDIR"].startswith(str(tmp_path))
    monkeypatch.setenv("MPLCONFIGDIR", "mine")
    usable_caches()
    assert os.environ["MPLCONFIGDIR"] == "mine"
