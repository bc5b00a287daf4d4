"""A suite may be edited between two runs: each run makes what is missing, ends with 0, and agrees with a fresh store.

The cases ``reference-named-later`` and ``outputs: all`` added later are two of the edits; none may need ``--fresh``.
"""

import random
import sys

import pytest

from effbench.parts import KeptOutputs
from effbench.registry import code_version
from effbench.store import CellFolder, read_store

PAIR = """
class Pair(WorkloadTask):
    name = "pair"
    metrics = (
        *WorkloadTask.metrics,
        Metric("distance", "", False, needs_reference=True),
        Metric("spread", "", False, per="set"),
    )

    def keep(self, output):
        return output

    def score(self, outputs, batch, reference):
        cost = np.array([float(o["cost"][0]) for o in outputs])
        state = np.array([float(o["state"].sum()) for o in outputs])
        other = np.full(len(batch), np.nan) if reference is None else np.array([r["state"].sum() for r in reference])
        return Scores({"planted_cost": cost, "distance": abs(state - other)}, {"state": [np.array([s]) for s in state]})

    def summariser(self, scores):
        means = super().summariser(scores)
        state = np.concatenate(scores.arrays["state"])

        def summarise(weights):
            mean = np.average(state, weights=weights)
            return means(weights) | {"spread": float(np.average((state - mean) ** 2, weights=weights))}

        return summarise
"""
METHODS = ("reference", "planted-latency, with: {share: 0.5}", "planted-latency, with: {share: 1.0}", "planted-twin")


class Edited:
    """A suite whose parts change at random, and what must hold after each change."""

    def __init__(self, strangers, seed):
        self.strangers, self.random = strangers, random.Random(seed)
        self.methods, self.reference, self.keep = [0, 1], None, "reference"
        self.seeds, self.limit, self.batch, self.metrics = [0], 3, 2, "null"
        self.history = []

    def edit(self):
        """Change one thing."""
        what = self.random.choice(
            ["role", "role", "methods", "outputs", "seeds", "limit", "batch", "metrics", "damage"]
        )
        if what == "role":
            self.reference = self.random.choice([None, *self.methods])
        elif what == "methods":
            chosen = self.random.sample(range(len(METHODS)), self.random.randint(1, 3))
            self.methods = sorted(chosen)
            self.reference = self.reference if self.reference in self.methods else None
        elif what == "outputs":
            self.keep = "all" if self.keep == "reference" else "reference"
        elif what == "seeds":
            self.seeds = self.random.choice([[0], [0, 1], [1]])
        elif what == "limit":
            self.limit = self.random.randint(2, 4)
        elif what == "batch":
            self.batch = self.random.randint(1, 3)
        elif what == "metrics":
            self.metrics = self.random.choice(["null", "[planted_cost]", "[planted_cost, distance]"])
        else:
            self.damage()
        self.history.append(what)

    def damage(self):
        """Remove, cut or alter a file of kept outputs."""
        files = sorted((self.strangers.path / "results/s").glob("cells/*/outputs/*.safetensors"))
        if not files:
            return
        file, how = self.random.choice(files), self.random.choice(["remove", "cut", "alter"])
        content = file.read_bytes()
        if how == "remove":
            file.unlink()
        else:
            file.write_bytes(content[: len(content) // 2] if how == "cut" else content[:-1] + bytes([content[-1] ^ 1]))

    def run(self, *arguments):
        """Run the suite as it is now and return its quality numbers."""
        lines = [
            f"{{id: m{number}, use: {METHODS[number]}{', role: reference' * (number == self.reference)}}}"
            for number in self.methods
        ]
        task = f"{{use: pair, with: {{units: 2, size: 4, samples: 4}}, samples: {{limit: {self.limit}}}, "
        task += f"batch_size: {self.batch}, metrics: {self.metrics}}}"
        suite = self.strangers.suite(
            lines, [task], reference=False, seeds=self.seeds, extra=f"output: {{outputs: {self.keep}}}\n"
        )
        code = self.strangers("run", suite, *arguments)
        assert code == 0, (self.history, self.strangers.err)
        store = self.strangers.path / (arguments[1] if arguments else "results/s")
        return {
            (cell.method_id, n.name): (n.value, n.ci_low, n.ci_high, n.reason, n.n)
            for cell in read_store(store).cells
            for n in cell.numbers
            if n.axis == "quality"
        }

    def kept(self):
        """Return the methods whose outputs are wholly kept."""
        cells = read_store(self.strangers.path / "results/s").cells
        outputs = {
            c.method_id: KeptOutputs(CellFolder(self.strangers.path / "results/s/cells" / c.id).outputs) for c in cells
        }
        ids = [f"evaluation-{number}" for number in range(self.limit)]
        return {m for m, found in outputs.items() if all(found.has(i, s) for i in ids for s in self.seeds)}


def follow(strangers, seed, edits):
    strangers.install(PAIR, tasks={"pair": "Pair"})
    edited = Edited(strangers, seed)
    edited.run()
    for _ in range(edits):
        edited.edit()
        numbers = edited.run()
    wanted = set(edited.methods) if edited.keep == "all" else {edited.reference} - {None}
    assert edited.kept() >= {f"m{number}" for number in wanted}, edited.history
    assert numbers == edited.run("--store", f"fresh-{seed}"), edited.history
    assert edited.run() == numbers


@pytest.mark.whole
@pytest.mark.parametrize("seed", [3])
def test_whatever_was_edited_the_numbers_are_those_of_a_fresh_store(strangers, seed):
    follow(strangers, seed, edits=5)


def test_a_metric_that_the_code_gives_from_now_on_is_scored_anew(strangers, monkeypatch):
    """Rows of code that is accepted all the same lack its column: they would be NaN for ever."""
    strangers.install(PAIR, tasks={"pair": "Pair"})
    (module,) = strangers.path.glob("stranger_*.py")
    new = module.read_text()
    module.write_text(
        new.replace('        Metric("distance", "", False, needs_reference=True),\n', "").replace(
            '"distance": abs(state - other)', ""
        )
    )
    suite = strangers.suite(tasks=["{use: pair, with: {units: 2, size: 4, samples: 4}}"])
    assert strangers("run", suite) == 0, strangers.err
    module.write_text(new + "# changed\n")
    monkeypatch.delitem(sys.modules, module.stem)
    strangers.install("", {})  # a registry that has loaded nothing
    code_version.cache_clear()
    suite = strangers.suite(["{use: planted-twin}"], ["{use: pair, with: {units: 2, size: 4, samples: 4}}"])
    assert strangers("run", suite) == 2 and "--accept-code-change" in strangers.err
    assert strangers("run", suite, "--accept-code-change", "--json") == 0, strangers.err
    found = {(n["method"], n["name"]): n["value"] for n in strangers.json()["numbers"]}
    assert found["planted-twin", "distance"] == 0.0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(30))
def test_whatever_was_edited_at_length(strangers, seed):
    follow(strangers, seed, edits=8)
