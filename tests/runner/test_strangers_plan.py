"""Plugins that break their promises before anything runs: one sentence with the place in the suite, exit code 2."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

BROKEN_METHODS = {
    # execution-misspelt
    "execution-misspelt": ("class X(M):\n def execution(self): return 'simulate'", "execution() returned 'simulate'"),
    "execution-leaves": ("class X(M):\n def execution(self): os._exit(0)", "execution() called exit(0)"),
    "execution-raises": ("class X(M):\n def execution(self): return 1 / 0", "execution() raised ZeroDivisionError"),
    # plugin-breaks-the-plan
    "no-apply": ("class X(Method):\n accepts = (Workload,)", "apply of the contract not written"),
    "no-accepts": ("class X(Method):\n def apply(self, system, artifact): return system", "accepts is None"),
    "one-accept": ("class X(M): accepts = Workload", "accepts is <class"),
    "empty-accepts": ("class X(M): accepts = ()", "accepts is ()"),
    "accepts-names": ("class X(M): accepts = ('Workload',)", "accepts is ('Workload',)"),
    "init-raises": ("class X(M):\n def __init__(self, params): raise ValueError('4 or 8')", "ValueError: 4 or 8"),
    "init-exits": ("class X(M):\n def __init__(self, params): sys.exit(3)", "called exit(3)"),
    "interrupts": ("class X(M):\n def __init__(self, params): raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    # plugin-exits-on-import
    "exits-on-import": ("print('CUDA extension not built')\nsys.exit(0)", "cannot be imported: it called exit(0)"),
    "raises-on-import": ("raise OSError('libcudart.so')", "cannot be imported: it raised OSError: libcudart.so"),
    "parses-arguments": ("import argparse\nargparse.ArgumentParser().parse_args(['--bits'])", "called exit(2)"),
    "dies-on-import": ("os._exit(0)", "cannot be imported: that ends the process with exit code 0"),
    "crashes-on-import": ("import ctypes\nctypes.string_at(0)", "ends the process by SIGSEGV"),
    "an-error-that-raises": (
        "class E(Exception):\n def __str__(self): raise ValueError\nraise E",
        "raised E: (its message cannot be shown)",
    ),
    "kernels-is-text": ("class X(M): kernels = 'quantized::linear*'", "expected a tuple of names or globs"),
    "claim-is-nan": ("class X(M): claims = (Claim('PSNR', float('nan'), 'dB', 's', 'p'),)", "has the value nan"),
    "claims-a-word": ("class X(M): claims = (Claim('PSNR', 'high', 'dB', 's', 'p'),)", "has the value high"),
    "params-are-loose": ("class X(M):\n class Params(StrictParams, extra='allow'): pass", "Params takes unknown keys"),
    "params-are-a-dict": ("class X(M): Params = dict", "write `class Params(StrictParams):`"),
    "params-are-changed": (
        "class X(M):\n class Params(StrictParams):\n  bits: float = float('nan')",
        "cannot be written as JSON (Input should be a valid number)",
    ),
    "validator-exits": (
        "from pydantic import model_validator\nclass X(M):\n class Params(StrictParams):\n"
        "  @model_validator(mode='after')\n  def no(self): sys.exit(1)",
        "Params called exit(1)",
    ),
}

TASK = """
class X(WorkloadTask):
    {}
"""
SAMPLES = "def samples(self, split, subset=None): return {}"
BROKEN_TASKS = {
    "bounds-of-one": (
        "metrics = (Metric('planted_cost', 'x', False, primary=True, bounds=(1,)),)",
        "has the bounds (1,); expected (least, greatest)",
    ),
    "bounds-swapped": (
        "metrics = (Metric('planted_cost', 'x', False, primary=True, bounds=(5.0, 2.0)),)",
        "has the bounds (5.0, 2.0); expected (least, greatest)",
    ),
    # Python ends without a word and with code 0, as if all had been done.
    "samples-leave": ("def samples(self, split, subset=None): os._exit(0)", "samples('evaluation') called exit(0)"),
    "check-leaves": ("def check(self): os._exit(0)", "check() called exit(0)"),
    # same-sample-id
    "same-sample-id": (SAMPLES.format("[Sample(split + '-mol'), Sample(split + '-mol')]"), "'evaluation-mol' 2 times"),
    "leaks": (SAMPLES.format("[Sample('a'), Sample('b')]"), "'a' is in both splits"),
    "empty-id": (SAMPLES.format("[Sample('')]"), "the id ''"),
    "number-id": (SAMPLES.format("[Sample(i) for i in range(3)]"), "the id 0"),
    "newline-id": (SAMPLES.format("[Sample(split + chr(10))]"), "control character"),
    "surrogate-id": (SAMPLES.format("[Sample(split + chr(0xd800))]"), "control character"),
    "not-samples": (SAMPLES.format("['a', 'b']"), "no Sample (str)"),
    "endless": (SAMPLES.format("(Sample(str(i)) for i in __import__('itertools').count())"), "returned generator"),
    "none": (SAMPLES.format("None"), "returned NoneType"),
    "other-ids-each-time": (SAMPLES.format("[Sample(split + os.urandom(8).hex())]"), "the second time"),
    "samples-exit": (SAMPLES.format("sys.exit()"), "called exit(None)"),
    "check-raises": ("def check(self): raise FileNotFoundError('weights.bin')", "check() raised FileNotFoundError"),
    "check-explains": ("def check(self): raise PluginError('no folder of weights')", "no folder of weights"),
    "revision-is-a-number": ("def revision(self): return 7", "revision() returned int"),
    "two-primaries": (
        "metrics = (Metric('a', '', True, primary=True), Metric('b', '', True, primary=True))",
        "2 metrics are primary (a, b)",
    ),
    "no-primary": ("metrics = (Metric('a', '', True),)", "0 metrics are primary"),
    "metric-twice": ("metrics = (Metric('a', '', True, primary=True), Metric('a', '', True))", "'a' is declared twice"),
    "metrics-is-a-list": ("metrics = [Metric('a', '', True, primary=True)]", "a non-empty tuple"),
    "direction-is-text": ("metrics = (Metric('a', '', 'lower', primary=True),)", "higher_is_better='lower'"),
    "unit-is-a-link": ("metrics = (Metric('a', '[x](javascript:1)', True, primary=True),)", "has the unit"),
    "unit-has-a-newline": ("metrics = (Metric('a', 'm' + chr(10), True, primary=True),)", "has the unit"),
    "unit-is-none": ("metrics = (Metric('a', None, True, primary=True),)", "has the unit None"),
    "name-of-ours": ("metrics = (Metric('speedup', 'x', True, primary=True),)", "which EffBench measures itself"),
    "metric-name": ("metrics = (Metric('my score', '', True, primary=True),)", "metric name 'my score'"),
    "undefined-why": (
        "metrics = (Metric('a', '', True, primary=True, undefined='oom'),)",
        "undefined because of 'oom'",
    ),
    "metrics-of-an-instance": (
        "@property\n    def metrics(self): return ()",
        "metrics must be a non-empty tuple",
    ),
    "preload-is-text": ("preload = 'torch'", "expected a tuple of module names"),
    "system-type": ("system_type = dict", "declare the subclass of effbench.api.System"),
}


def refused(strangers, suite, words):
    code = strangers("validate", suite)
    (line,) = [line for line in strangers.err.splitlines() if line.startswith("error:")]
    assert code == 2 and words in line and "suite.yaml:" in line, (code, line)
    assert "Traceback" not in strangers.err and strangers.out == ""


@pytest.mark.parametrize("name", BROKEN_METHODS)
def test_a_broken_method_is_one_sentence_with_its_place(strangers, name):
    source, words = BROKEN_METHODS[name]
    strangers.install(source.replace("class X(M)", f"class X(M):\n name = {name!r}\nclass X(X)"), {name: "X"}) if (
        "class X(M)" in source
    ) else strangers.install(source.replace("class X(Method):", f"class X(Method):\n name = {name!r}"), {name: "X"})
    refused(strangers, strangers.suite([f"{{use: {name}}}"]), words)
    assert strangers("doctor", "--json") == 1, name
    assert list(strangers.json()["broken_plugins"]) == [name]


@pytest.mark.parametrize("name", BROKEN_TASKS)
def test_a_broken_task_is_one_sentence_with_its_place(strangers, name):
    source, words = BROKEN_TASKS[name]
    strangers.install(TASK.format(f"name = {name!r}\n    {source}"), tasks={name: "X"})
    refused(strangers, strangers.suite(tasks=[f"{{use: {name}}}"]), words)


def test_what_plugins_change_in_this_process_is_undone(strangers, tmp_path, monkeypatch):
    """plugin-prints-into-json, and what else an import can do: folder, environment, path, streams, filters, handlers."""
    strangers.install(
        """
        import builtins, ctypes, multiprocessing, signal, warnings
        child = multiprocessing.get_context("fork").Process(target=os.getpid)  # ends by os._exit, as it must
        child.start()
        child.join()
        assert child.exitcode == 0
        print("loading kernels ...")
        os.system("echo from a child")
        ctypes.CDLL(None).puts(b"from C")
        sys.stdout.buffer.write(b"raw")
        sys.stdout.close()
        os.environ["OMP_NUM_THREADS"] = "64"
        os.environ.pop("HOME", None)
        os.chdir("/")
        sys.path.insert(0, "/nowhere")
        sys.argv.clear()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        warnings.simplefilter("error")
        builtins.print = lambda *arguments, **named: None

        class X(M):
            name = "loud"
            def execution(self):
                os.write(1, b"loud again")
                return "real"
        """,
        {"loud": "X"},
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = os.environ.copy(), Path.cwd(), sys.path[0], signal.getsignal(2)
    assert strangers("doctor", "--json") == 0
    assert "loud" in strangers.json()["methods"]
    assert all(text in strangers.err for text in ("loading kernels", "from a child", "from C", "raw", "loud again"))
    assert (os.environ, Path.cwd(), sys.path[0], signal.getsignal(2)) == before
    for arguments in (
        ["list", "methods", "--json"],
        ["describe", "loud"],
        ["run", strangers.suite(), "--dry-run", "--json"],
    ):
        assert strangers(*arguments) in (0, None)
        if "--json" in arguments:
            json.loads(strangers.out)
        assert "loading" not in strangers.out


def test_one_broken_plugin_hides_no_other(strangers):
    strangers.install("sys.exit(0)", {"broken": "X"}, {"broken-task": "X"})
    strangers.install("class X(M): name = 'fine'", {"fine": "X"})
    assert strangers("doctor") == 1
    assert "method 'broken' of stranger" in strangers.out and "task 'broken-task' of stranger" in strangers.out
    assert "'fine' of" not in strangers.out
    assert strangers("list", "metrics") in (0, None) and "planted_cost" in strangers.out
    assert strangers("validate", strangers.suite(["{use: fine}"])) in (0, None)
    assert strangers("describe", "broken") == 2 and len(strangers.err.splitlines()) == 1
