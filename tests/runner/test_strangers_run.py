"""Plugins that break their promises while they run: one failed cell each, with a sentence; the others go on."""

from types import SimpleNamespace

import pytest
from strangers import HEADER, WORKLOAD

from effbench import registry
from effbench.runner.jobs import Batch, JobSpec
from effbench.runner.quality import quality
from effbench.runner.summary import summary
from effbench.runner.worker import classify
from effbench.store import read_store
from effbench.tasks.workload.task import WorkloadTask

RUN = "def run(self, system, batch, seed):\n        outputs = super().run(system, batch, seed)\n        {}"
SCORE = "def score(self, outputs, batch, reference):\n        n = len(batch)\n        return Scores({})"
SUMMARISE = "def summariser(self, scores):\n        def found(weights):\n            {}\n        return found"
ONES = "{'planted_cost': np.ones(n)}"

TASKS = {
    "ids-by-hash": (
        "def samples(self, split, subset=None): return [Sample(f'{split}-{hash(str(i))}') for i in range(4)]",
        "samples('evaluation') gives other ids in another process",
    ),
    "too-few": (RUN.format("return outputs[1:]"), "run returned 1 outputs for 2 samples"),
    "none": (RUN.format("return None"), "run returned NoneType"),
    "bare-arrays": (RUN.format("return [o['cost'] for o in outputs]"), "run returned ndarray for 'evaluation-0'"),
    "names-differ": (RUN.format("outputs[1] = {'x': outputs[1]['cost']}; return outputs"), "run names the arrays of"),
    "names-change": (
        RUN.format("return [o | {batch[0].id[-1]: o['cost']} for o in outputs]"),
        "run names the arrays of 'evaluation-2'",
    ),
    "objects": (RUN.format("return [o | {'cost': o['cost'].astype(object)} for o in outputs]"), "has dtype object"),
    "only-times": (
        RUN.format("return [{'took_s': o['cost']} for o in outputs]"),
        "nothing could tell two systems apart",
    ),
    "infinite": (RUN.format("return [o | {'cost': o['cost'] * np.inf} for o in outputs]"), "holds NaN or infinity"),
    # summarise-raises
    "score-name": (SCORE.format("{'scores': np.ones(n)}"), "lacks the per-sample metric 'planted_cost'"),
    "score-length": (SCORE.format("{'planted_cost': np.ones(n + 1)}"), "expected a float64 array [2]"),
    "score-list": (SCORE.format("{'planted_cost': [1.0] * n}"), "as list; expected a float64 array [2]"),
    "score-nan": (
        SCORE.format("{'planted_cost': np.array([1.0, np.nan])}"),
        "NaN for 'planted_cost' of sample 'evaluation-1'",
    ),
    "score-inf": (SCORE.format("{'planted_cost': np.array([1.0, -np.inf])}"), "infinity for 'planted_cost'"),
    "arrays-length": (SCORE.format(ONES + ", {'a': [np.ones(2)]}"), "the arrays 'a' in another form than 2"),
    "not-scores": ("def score(self, outputs, batch, reference): return {'planted_cost': 1.0}", "returned dict"),
    "summary-raises": (SUMMARISE.format("return {'planted_cost': scores.scalars['cost'].mean()}"), "KeyError: 'cost'"),
    "summary-exits": (SUMMARISE.format("sys.exit(0)"), "called exit(0)"),
    "resample-raises": (
        SUMMARISE.format("assert (weights == 1).all(), 'never drawn'\n            return {'planted_cost': 1.0}"),
        "AssertionError: never drawn",
    ),
    "summary-nan": (SUMMARISE.format("return {'planted_cost': float('nan')}"), "gives 'planted_cost' as NaN"),
    "summary-inf": (SUMMARISE.format("return {'planted_cost': float('inf')}"), "gives 'planted_cost' as infinity"),
    "summary-silent": (SUMMARISE.format("return {}"), "leaves out the per-sample metric 'planted_cost'"),
    "summary-unknown": (SUMMARISE.format("return {'planted_cost': 1.0, 'extra': 2.0}"), "'extra', which is not among"),
    "summary-text": (SUMMARISE.format("return {'planted_cost': '1'}"), "as str; convert it to float"),
    "summary-mutates": (
        SUMMARISE.format("scores.scalars['planted_cost'] *= 2\n            return {{}}"),
        "read-only",
    ),
    "summary-no-mean": (
        SUMMARISE.format("return {'planted_cost': 0.5}"),
        "the weighted mean of its scores 1; declare it",
    ),
    "summary-weights": (SUMMARISE.format("weights *= 0; return {'planted_cost': 1.0}"), "read-only"),
    "summary-replaces": (
        SUMMARISE.format("scores.scalars['planted_cost'] = weights; return {'planted_cost': 1.0}"),
        "does not support item assignment",
    ),
    "summary-os-exit": (SUMMARISE.format("os._exit(0)"), "left with exit code 0 before finishing"),
    "out-of-bounds": (
        "metrics = (Metric('planted_cost', 'x', False, primary=True, bounds=(2.0, 3.0)),)",
        "gives 'planted_cost' as 1, outside of its bounds 2 to 3",
    ),
    "score-changes": (
        "def score(self, outputs, batch, reference):\n        outputs[0]['cost'][...] = 9\n"
        "        return super().score(outputs, batch, reference)",
        "score changes the outputs that it is given",
    ),
    "score-changes-times": (
        RUN.format("return [o | {'took_s': o['cost'] + 0} for o in outputs]")
        + "\n    def keep(self, output): return output"
        "\n    def score(self, outputs, batch, reference):\n        outputs[0]['took_s'][...] = 9\n"
        "        return super().score(outputs, batch, reference)",
        "score changes the outputs that it is given",
    ),
    "no-calibration": (
        "def samples(self, split, subset=None): return [] if split == 'calibration' else super().samples(split)\n"
        "    probes = Task.probes",
        "samples('calibration') gives none",
    ),
    "load-type": ("def load(self, ctx): return Other()", "load returned Other, system_type says Workload"),
    "caption": ("def caption(self, sample): return 7", "caption() returned int"),
    "probe": ("def probes(self, system, size): return system", "return a list of calls without arguments"),
    "probe-list": ("def probes(self, system, size): return [1]", "return a list of calls without arguments"),
    "probe-none": ("def probes(self, system, size): return []", "return a list of calls without arguments"),
    "no-summariser": ("def summariser(self, scores): return {}", "return what maps weights to a dict of metrics"),
}

METHODS = {
    "apply-none": ("def apply(self, system, artifact): return None", "apply-none.apply returned NoneType"),
    "apply-other": ("def apply(self, system, artifact): return Other()", "apply-other.apply returned Other"),
    "prepare-none": ("def prepare(self, system, ctx): pass", "prepare returned NoneType"),
    "prepare-text": ("def prepare(self, system, ctx): return Artifact({'a': np.array(['b'])})", "has dtype <U1"),
    "prepare-nan": ("def prepare(self, system, ctx): return Artifact({}, {'a': float('nan')})", "config is not JSON"),
    "interrupts": ("def apply(self, system, artifact): raise KeyboardInterrupt", "KeyboardInterrupt"),
    "exits": ("def apply(self, system, artifact): sys.exit(0)", "called exit(0)"),
    "leaves": ("def apply(self, system, artifact): os._exit(0)", "left with exit code 0"),
    "unpicklable": ("def __init__(self, params):\n        self.f = lambda: 0", "pickling the task and its methods"),
    "unpickling": ("def __setstate__(self, state): raise OSError('gone')", "OSError: gone"),
}
HEALTHY = {
    # chdir-in-a-method
    "chdir": "def apply(self, system, artifact):\n        os.chdir('/')\n        return system",
    "closes-stdout": "def apply(self, system, artifact):\n        sys.stdout.close()\n        return system",
    "prints": "def apply(self, system, artifact):\n        print('from apply')\n        return system",
}


@pytest.fixture
def classes(strangers):
    """Install the classes of both tables, named C0, C1, ..."""

    def install(base, bodies):
        source = "@dataclass(frozen=True)\nclass Other(System):\n    pass\n\n"
        for number, (name, body) in enumerate(bodies.items()):
            source += f"class C{number}({base}):\n    name = {name!r}\n    {body}\n\n"
        points = {name: f"C{number}" for number, name in enumerate(bodies)}
        strangers.install(source, **{"methods" if base == "M" else "tasks": points})

    return install


def sentences(strangers):
    """Return task/method -> what the run said of it at its end."""
    lines = [line.removeprefix("failed: ") for line in strangers.err.splitlines() if line.startswith("failed: ")]
    return dict(line.split(": ", 1) for line in lines)


ENDS_THE_PROCESS = ("ids-by-hash", "summary-exits", "summary-os-exit")
"""Seen in a run only: another process has other hashes, and this one must not be left."""


@pytest.mark.parametrize("name", [name for name in TASKS if name not in ENDS_THE_PROCESS])
def test_a_broken_promise_of_a_task_is_a_sentence(strangers, name, tmp_path):
    """In this process: the quality pass, or the summary of what it left, refuses with the sentence."""
    body, words = TASKS[name]
    scope = {}
    exec(
        f"{HEADER}\n@dataclass(frozen=True)\nclass Other(System): pass\nclass X(WorkloadTask):\n    name = 'x'\n    {body}",
        scope,
    )
    task = scope["X"](scope["X"].Params(units=2, size=4, samples=4))
    samples = tuple(WorkloadTask(task.params).samples("evaluation"))
    batches = tuple(Batch(0, samples[i : i + 2]) for i in (0, 2))
    given = {"device": "cpu", "dtype": "float32", "threads": 1, "cpus": (), "code_version": "", "keep_outputs": True}
    rows = frozenset((0, sample.id) for sample in samples)
    chain = (registry.methods.get("reference")(),)
    spec = JobSpec(
        "quality", "quality", task, chain, cell_path=tmp_path, batches=batches, rows=rows, resamples=200, **given
    )
    pipe = SimpleNamespace(send=lambda message: None)
    with pytest.raises(Exception) as caught:
        quality(spec, pipe)
        summary(spec, pipe)
    assert words in classify(caught.value).message


RUN_WHOLE = (*ENDS_THE_PROCESS, "names-change", "score-name", "score-nan", "summary-raises", "caption")


def test_a_task_that_breaks_a_promise_costs_its_own_cells(strangers, classes):
    classes("WorkloadTask", {name: TASKS[name][0] for name in RUN_WHOLE})
    entries = [f"{{use: {name}, with: {{units: 2, size: 4, samples: 4}}, batch_size: 2}}" for name in RUN_WHOLE]
    assert strangers("run", strangers.suite(tasks=[*entries, WORKLOAD]), "--json") == 1
    said = sentences(strangers)
    said = {name: str(said.get(f"{name}/reference")) for name in RUN_WHOLE}
    assert not {name: sentence for name, sentence in said.items() if TASKS[name][1] not in sentence}
    assert "Traceback" not in strangers.err
    numbers = {(n["task"], n["name"]): n for n in strangers.json()["numbers"]}
    assert {name: numbers[name, "planted_cost"]["reason"] for name in RUN_WHOLE} == dict.fromkeys(RUN_WHOLE, "error")
    assert numbers["w", "planted_cost"]["value"] == 1.0


def test_a_method_that_breaks_a_promise_costs_its_own_cell(strangers, classes):
    classes("M", {name: body for name, (body, _) in METHODS.items()} | HEALTHY)
    entries = [f"{{use: {name}}}" for name in (*METHODS, *HEALTHY)]
    assert strangers("run", strangers.suite(entries), "--json") == 1
    said = sentences(strangers)
    assert said.keys() == {f"w/{name}" for name in METHODS}
    assert not {name: said[f"w/{name}"] for name, (_, words) in METHODS.items() if words not in said[f"w/{name}"]}
    assert "Traceback" not in strangers.err and "from apply" not in strangers.out
    numbers = {n["method"]: n for n in strangers.json()["numbers"] if n["name"] == "planted_cost"}
    assert all(numbers[name]["value"] == 1.0 for name in ("reference", *HEALTHY))
    view = read_store(strangers.path / "results/s")
    assert {cell.method_id for cell in view.cells if cell.status == "complete"} == {"reference", *HEALTHY}


def test_a_declared_reason_is_the_one_that_is_shown(strangers, classes):
    """wrong-reason-for-null: a NaN whose metric says why is that reason, and the cell is complete."""
    metrics = (
        "metrics = (*WorkloadTask.metrics, Metric('goal_s', 's', False, undefined='not_reached'),"
        " Metric('distance', '', False, needs_reference=True), Metric('tau', '', True, per='set'))\n    "
    )
    score = SCORE.format("{'planted_cost': np.ones(n), 'goal_s': np.full(n, np.nan), 'distance': np.full(n, np.nan)}")
    classes("WorkloadTask", {"honest": metrics + score})
    suite = strangers.suite(tasks=["{use: honest, with: {units: 2, size: 4, samples: 4}}"])
    assert strangers("run", suite, "--json") == 0, strangers.err
    reasons = {n["name"]: n["reason"] for n in strangers.json()["numbers"]}
    assert (reasons["goal_s"], reasons["distance"], reasons["planted_cost"]) == ("not_reached", "no_reference", None)


def test_a_run_that_changes_its_samples_changes_them_for_itself_alone(strangers, classes):
    """What a first seed's run writes into a prompt was in the prompt of the second, and in what was scored."""
    count = "outputs = [{'cost': np.array([float(len(s.data['seen']))])} for s in batch]"
    body = (
        "def samples(self, split, subset=None): return [Sample(f'{split}-{i}', {'seen': []}) for i in range(2)]\n    "
        "def run(self, system, batch, seed):\n"
        f"        {count}\n        for s in batch: s.data['seen'].append(seed)\n        return outputs\n    "
        "def score(self, outputs, batch, reference):\n"
        "        return Scores({'planted_cost': np.array([o['cost'][0] + len(s.data['seen'])"
        " for o, s in zip(outputs, batch)])})"
    )
    classes("WorkloadTask", {"writes": body})
    suite = strangers.suite(tasks=["{use: writes, with: {units: 2, size: 4, samples: 4}}"], seeds=(0, 1))
    assert strangers("run", suite, "--json") == 0, strangers.err
    assert [n["value"] for n in strangers.json()["numbers"] if n["name"] == "planted_cost"] == [0.0]


def test_times_among_the_outputs_do_not_make_another_object(strangers, classes):
    """Quality and latency were said not to come from one object, since their probes had not taken equally long."""
    timed = RUN.format("import time; return [o | {'took_s': np.array([time.perf_counter()])} for o in outputs]")
    classes("WorkloadTask", {"timed": timed + "\n    probes = Task.probes"})
    suite = strangers.suite(tasks=["{use: timed, with: {units: 2, size: 4, samples: 4}}"])
    measured = ["--set", "measure.latency={rounds: 2, budget_s: 0.05}", "--set", "measure.memory=true"]
    assert strangers("run", suite, *measured) == 0, strangers.err
    assert [f"timed: latency round {n} of 1 method at batch 1" in strangers.err for n in (1, 2)] == [True, True]
    (cell,) = read_store(strangers.path / "results/s").cells
    assert set(cell.probe_sha256) == {"quality", "memory", "latency"} and len(set(cell.probe_sha256.values())) == 1
    assert next(n.value for n in cell.numbers if n.name == "latency_p50_ms") > 0


def test_a_shape_that_is_not_the_reference_s_is_named(strangers, classes):
    classes(
        "WorkloadTask",
        {
            "pair": "metrics = (*WorkloadTask.metrics, Metric('distance', '', False, needs_reference=True))\n    "
            "def run(self, system, batch, seed):\n"
            "        return [{'image': np.zeros((system.units, 2))} for _ in batch]\n    "
            "def keep(self, output): return output\n    "
            "def score(self, outputs, batch, reference):\n"
            "        far = [np.nan] * len(batch) if reference is None else [\n"
            "            np.abs(o['image'] - r['image']).mean() for o, r in zip(outputs, reference)]\n"
            "        return Scores({'planted_cost': np.ones(len(batch)), 'distance': np.array(far)})\n"
        },
    )
    task = "{use: pair, with: {units: 3, size: 4, samples: 2}}"
    assert strangers("run", strangers.suite(["{use: planted-latency, with: {share: 0.9}}"], [task])) == 1
    assert "'image' of sample 'evaluation-0' is [6, 2] against [3, 2] of the reference" in strangers.err


def test_a_worker_that_dies_once_is_started_again(strangers, classes):
    """A kill of the reference's quality worker marked all other cells incomplete."""
    classes(
        "M",
        {
            "struck": "def apply(self, system, artifact):\n        marker = '" + str(strangers.path / "struck") + "'\n"
            "        if not os.path.exists(marker):\n            open(marker, 'w').close()\n"
            "            os.kill(os.getpid(), 9)\n        return system"
        },
    )
    methods = ["{use: struck, role: reference}", "{use: planted-latency, with: {share: 0.5}}"]
    assert strangers("run", strangers.suite(methods, reference=False)) == 0, strangers.err
    assert "ended by SIGKILL; it is tried once more" in strangers.err
    cell = read_store(strangers.path / "results/s").cells[0]
    assert [(a.job, a.status, a.reason) for a in cell.attempts if a.job != "summary"] == [
        ("quality", "failed", "signal"),
        ("quality", "done", None),
    ]


def test_a_worker_that_dies_once_in_a_round_has_another(strangers, classes):
    classes(
        "M",
        {
            "struck": "def apply(self, system, artifact):\n        log = '" + str(strangers.path / "calls") + "'\n"
            "        open(log, 'a').write('x')\n        if os.path.getsize(log) == 2:\n"
            "            os.kill(os.getpid(), 9)\n        return system"
        },
    )
    latency = ["--set", "measure.latency={rounds: 1, budget_s: 0.05}"]
    assert strangers("run", strangers.suite(["{use: struck}"]), *latency, "--json") == 0, strangers.err
    speedup = next(n for n in strangers.json()["numbers"] if (n["method"], n["name"]) == ("struck", "speedup"))
    assert speedup["value"] > 0 and speedup["n"] == 1
    struck = read_store(strangers.path / "results/s").cells[1]
    assert [(a.status, a.reason) for a in struck.attempts if a.job == "latency"] == [
        ("failed", "signal"),
        ("done", None),
    ]


def test_a_preloaded_module_that_ends_the_server_costs_its_own_task(strangers, classes):
    (strangers.path / "ends_the_server.py").write_text("print('into json?')\nraise SystemExit(1)\n")
    body = "preload = ('ends_the_server',)\n    def load(self, ctx):\n        import ends_the_server"
    classes("WorkloadTask", {"preloads": body})
    suite = strangers.suite(tasks=["{use: preloads, with: {units: 2, size: 4, samples: 4}}", WORKLOAD])
    assert strangers("run", suite, "--json") == 1
    assert "called exit(1)" in sentences(strangers)["preloads/reference"]
    assert {n["task"]: n["value"] for n in strangers.json()["numbers"] if n["name"] == "planted_cost"}["w"] == 1.0


def test_a_summary_that_fails_under_stop_still_leaves_its_record(strangers, classes):
    classes("WorkloadTask", {"broken": TASKS["summary-raises"][0]})
    suite = strangers.suite(tasks=["{use: broken, with: {units: 2, size: 4, samples: 2}}", WORKLOAD])
    suite.write_text(suite.read_text().replace("{timeout_s: 30}", "{timeout_s: 30, on_error: stop}"))
    assert strangers("run", suite, "--json") == 1
    (cell,) = read_store(strangers.path / "results/s").cells
    assert (cell.task_id, cell.status) == ("broken", "failed")
    assert [n.reason for n in cell.numbers if n.name == "planted_cost"] == ["error"]
    assert sentences(strangers)["w/reference"] == "not run"


def test_a_score_that_reads_what_keep_left_out_is_told_so(strangers, classes):
    body = (
        "metrics = (*WorkloadTask.metrics, Metric('distance', '', False, needs_reference=True))\n    "
        "def score(self, outputs, batch, reference):\n"
        "        far = [np.nan] * len(batch) if reference is None else [r['state'].sum() for r in reference]\n"
        "        return Scores({'planted_cost': np.ones(len(batch)), 'distance': np.array(far, float)})\n"
    )
    classes("WorkloadTask", {"narrow": body})
    task = "{use: narrow, with: {units: 2, size: 4, samples: 2}}"
    assert strangers("run", strangers.suite(["{use: planted-twin}"], [task])) == 1
    assert "KeyError: 'state'; keep leaves out state of the reference: keep all that score reads" in strangers.err
