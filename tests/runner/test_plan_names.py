"""Which cells ``--only`` and gates mean, and what methods of a matrix are called (case own-name-is-no-glob)."""

import pytest

from effbench.errors import BadInput
from effbench.runner.plan import make_plan
from effbench.suite import load_suite

SUITE = """\
schema: effbench/suite/1
name: names
tasks:
  - {id: w, use: workload, with: {units: 2, size: 8, samples: 4}}
methods:
  - {use: reference, role: reference}
  - {use: planted-latency, matrix: {share: [0.1, 0.2]}}
  - {use: planted-memory, id: mem}
"""


@pytest.fixture
def loaded(tmp_path):
    def load(text=SUITE):
        (tmp_path / "s.yaml").write_text(text, "utf-8")
        return load_suite(tmp_path / "s.yaml")

    return load


def only(plan, *globs):
    return [cell.method_id for cell in plan.only(globs).cells if cell.role != "reference"]


def test_only_takes_names_and_globs_and_every_one_must_mean_something(loaded):
    plan = make_plan(loaded())
    assert only(plan, "planted-latency(share=0.1)", "mem") == ["planted-latency(share=0.1)", "mem"]
    assert only(plan, "w/planted*") == ["planted-latency(share=0.1)", "planted-latency(share=0.2)"]
    with pytest.raises(BadInput) as caught:
        plan.only(["mem", "planted-latency(share=0.3)"])
    assert "--only planted-latency(share=0.3): matches no cell" in str(caught.value)
    suggested = str(caught.value).partition("did you mean '")[2].removesuffix("'?")
    assert only(plan, suggested), "the nearest name must work when it is copied"


@pytest.mark.parametrize("key", ["method", "task"])
def test_a_gate_that_means_nothing_names_the_nearest(loaded, key):
    gate = "gates: [{metric: planted_cost, max: 1, %s: %s}]\n"
    make_plan(loaded(SUITE + gate % (key, {"method": '"planted-latency(share=0.1)"', "task": "w"}[key])))
    with pytest.raises(BadInput, match=rf"gates\[0\].{key}: matches no {key}"):
        make_plan(loaded(SUITE + gate % (key, "memm")))


def test_long_values_and_lines_make_names_that_fit_into_a_table(loaded):
    from effbench.runner.plan import _shown

    long, other = "x" * 300 + "a", "x" * 300 + "b"
    assert len(_shown(long)) < 80 and _shown(long) != _shown(other)
    assert "\n" not in _shown("a\nb") and _shown("a\nb") != _shown("a b") == "a b"
    assert (_shown(0.1), _shown([1, 2])) == ("0.1", "[1, 2]")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{use: planted-latency, matrix: {planted-latency.share: [0.1], share: [0.2]}}", "are the same parameter"),
        ("{use: planted-latency+planted-latency, matrix: {planted-latency.share: [0.1]}}", "is 2 links of the chain"),
        (
            "{use: nqs-made, matrix: {steps: &n [5, 6, 7, 8, 9, 10, 11, 12, 13, 14], unique: *n, width: *n, workers: *n, "
            "phase_width: *n}}",
            "makes 100000 methods of one entry; at most 10000",
        ),
    ],
)
def test_a_matrix_that_loses_a_value_or_never_ends_is_refused(loaded, entry, said):
    with pytest.raises(BadInput, match=r"s.yaml:8:\d+: methods\[2\].matrix") as caught:
        make_plan(loaded(SUITE.replace("{use: planted-memory, id: mem}", entry)))
    assert said in str(caught.value)


def test_more_samples_than_can_be_listed_are_refused_at_once(loaded):
    with pytest.raises(BadInput, match="samples: Input should be less than or equal to 1000000"):
        make_plan(loaded(SUITE.replace("samples: 4", "samples: 9223372036854775807")))


def test_a_metric_that_this_instance_cannot_give_is_refused(loaded):
    """It validated, and then nothing was selected."""
    task = "{use: t2i, metrics: [clip_score]}"
    with pytest.raises(BadInput, match=r"task 't2i' has no metric 'clip_score'"):
        make_plan(loaded(SUITE.replace("{id: w, use: workload, with: {units: 2, size: 8, samples: 4}}", task)))
    given = "{use: t2i, with: {scorers: {clip_score: null}}, metrics: [clip_score]}"
    text = SUITE.replace("{id: w, use: workload, with: {units: 2, size: 8, samples: 4}}", given)
    (plan,) = make_plan(
        loaded(
            text.replace("planted-latency, matrix: {share: [0.1, 0.2]}", "bf16").replace(
                "planted-memory", "guidance-off"
            )
        )
    ).tasks
    assert [metric.name for metric in plan.metrics] == ["clip_score"]
