"""Values of a suite: what YAML would change without a word, what no number can be, and what a list may not hold.

Cases infinite-and-nan-settings, energy-off, control-character-in-yaml, repeats-not-refused, suite-alias-bomb,
suite-bad-tag and suite-deep-nesting, with their neighbours.
"""

import time

import pytest
from pydantic import ValidationError

from effbench.api import StrictParams
from effbench.errors import BadInput, nearest
from effbench.explaining import first_problem
from effbench.suite import find_suite, load_suite, shipped_suites
from effbench.yamlpos import MAX_BYTES, load, parse

SUITE = """\
schema: effbench/suite/1
name: small
tasks:
  - {id: a, use: workload, with: {units: 2}}
methods:
  - {use: reference, role: reference}
measure: {latency: {rounds: 2}}
execution: {threads: 1}
"""


def loaded(tmp_path, text, *overrides):
    path = tmp_path / "s.yaml"
    path.write_text(text, encoding="utf-8")
    return load_suite(path, overrides).suite


def refused(tmp_path, text, *overrides):
    with pytest.raises(BadInput) as caught:
        loaded(tmp_path, text, *overrides)
    sentence = str(caught.value)
    assert "\n" not in sentence and len(sentence) < 600, sentence
    return sentence


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("execution.timeout_s=.inf", "not a finite number"),
        ("execution.timeout_s=1.0e+400", "beyond what a number"),
        ("execution.timeout_s=1.0e+300", "less than or equal"),
        ("execution.max_memory_gb=-.inf", "not a finite number"),
        ("execution.max_memory_gb=1.0e+300", "less than or equal"),
        ("stats.resolution=.NaN", "not a finite number"),
        ("tasks.a.with.units=.inf", "not a finite number"),
        ("seeds=[9223372036854775808]", "beyond 64 bits"),
        ("seeds=[-1]", "greater than or equal to 0"),
        ("seeds=[" + "9" * 5000 + "]", "beyond 64 bits"),
        ("seeds=[1, 1]", "given twice"),
        ("measure.latency.batch_sizes=[1, 1]", "given twice"),
        ("execution.cpus=[0, 0]", "given twice"),
        ("tasks.a.metrics=[planted_cost, planted_cost]", "given twice"),
        ("methods.reference.tasks=[a, a]", "given twice"),
        ("methods.reference.matrix={units: [[1], [1]]}", "given twice"),
        ("measure.latency.rounds=true", "got true"),
        ("measure.latency.rounds=010", "leading zero"),
        ("measure.latency.rounds=0o10", "decimal digits"),
        ("measure.latency.rounds=1:30", "base 60"),
        ("measure.latency.rounds=1_000", "write 1000"),
        ("measure.latency.rounds=2020-01-01", "valid integer"),
        ("measure.latency.budget_s=1e-1", "write 0.1"),
        ("measure.latency.budget_s=1e-7", "write 1.0e-07"),
        ("stats.resamples=1e3", "write 1000"),
        ("tasks.workload.batch_size", "expected key.path=value"),
        ("tasks..a.batch_size=1", "expected key.path=value"),
        ("tasks[a.batch_size=1", "expected key.path=value"),
        ("tasks.a.=1", "expected key.path=value"),
        ("tasks[].id=x", "expected key.path=value"),
        ("tasks.00.batch_size=1", "no item '00'"),
        ("execution.threads=#4", "comment to YAML"),
        ("description=a dog #3", "comment to YAML"),
        ("seeds.0=3", "seeds: Input should be a valid list"),
        ("gates.first.max=3", "gates: Input should be a valid list"),
        ("measure.latency.budget_s=nan", "must be finite"),
        ("tasks.a.metrics=None", "list"),
        ("tasks.a.with=", "should be a mapping, got None"),
        ("execution.threads=None", "write null"),
        ("measure.memory=maybe", "boolean"),
        ("gates=[{metric: x, min: 3, max: 2}]", "no number meets both"),
        ("tasks.a.device=cuda:99999999999", "pattern"),
        ("name=" + "n" * 101, "at most 100"),
        ("description=a\nb: c", "--set 'description"),
        ("output.store=''", "at least 1"),
        ("tasks.²=1", "no item"),
        ("name=!!python/none x", "!!python/none"),
        ("name=[", "--set name=["),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_in_one_sentence(tmp_path, override, hint):
    sentence = refused(tmp_path, SUITE, override)
    assert hint in sentence and sentence.startswith("--set"), sentence


def test_a_letter_of_another_alphabet_is_named():
    sentence = nearest("r\u0435ference", ["reference", "bf16"])
    assert "U+0435, cyrillic small letter ie" in sentence and sentence.endswith("did you mean 'reference'?")


def test_words_are_taken_where_only_one_meaning_is_left(tmp_path):
    """Case energy-off; as a file and through --set."""
    for text, overrides in (
        (SUITE.replace("{rounds: 2}}", "off, memory: yes, flops: Off, energy: off}"), []),
        (SUITE, ["measure.latency=off", "measure.memory=yes", "measure.flops=no", "measure.energy=off"]),
    ):
        measure = loaded(tmp_path, text, *overrides).measure
        assert (measure.latency, measure.memory, measure.flops, measure.energy) == (None, True, False, "off")
    assert loaded(tmp_path, SUITE, "measure.energy=false").measure.energy == "off"


def test_text_stays_as_it_was_written(tmp_path):
    for written in ("2020-01-01", "010", "1:30", "off", "no", "1_000", "1e3"):
        assert loaded(tmp_path, SUITE, f"description={written}").description == written
        assert loaded(tmp_path, SUITE, f"tasks.a.with.x={written}").tasks[0].with_["x"] == written
    assert parse("{1: a, on: b, 010: c}", "s").data == {"1": "a", "on": "b", "010": "c"}
    assert parse("[0x10, -3, +4, 1.5, .5, 1.0e-3, ~, TRUE, '5', ! 5, !!str 5, !!float 5]", "s").data == [
        *(16, -3, 4, 1.5, 0.5, 0.001, None, True, "5", "5", "5", 5.0)
    ]


def test_files_of_results_hold_what_is_not_finite():
    assert str(parse("[.inf, -.INF, .nan, +.Inf]", "s", finite=False).data) == "[inf, -inf, nan, inf]"


def test_largest_seed_is_taken(tmp_path):
    assert loaded(tmp_path, SUITE, f"seeds=[0, {2**63 - 1}]").seeds == [0, 2**63 - 1]


class Params(StrictParams):
    steps: int = 1
    lr: float = 1.0
    flag: bool = False
    word: str = ""
    sizes: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"steps": True}, "got true"),
        ({"lr": False}, "got false"),
        ({"steps": "010"}, "leading zero"),
        ({"sizes": [1, True]}, "got true"),
        ({"lr": "inf"}, "finite"),
        ({"lr": float("nan")}, "finite"),
        ({"lr": "1e400"}, "finite"),
    ],
)
def test_parameters_of_plugins_take_no_number_in_disguise(given, hint):
    with pytest.raises(ValidationError) as caught:
        Params.model_validate(given)
    key, message = first_problem(caught.value, Params)
    assert key[0] == next(iter(given)) and hint in message


def test_parameters_take_what_is_meant():
    given = {"steps": "4", "lr": "1e-1", "flag": "off", "word": "off", "sizes": [1, 2]}
    assert Params.model_validate(given).model_dump() == {
        "steps": 4,
        "lr": 0.1,
        "flag": False,
        "word": "off",
        "sizes": (1, 2),
    }


BOMB = "x0: &x0 [a,a,a,a,a,a,a,a,a]\n" + "".join(f"x{n}: &x{n} [{','.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 8))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (BOMB + SUITE, "aliases expand"),
        ("a0: &a0 1\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000)), "nest deeper"),
        ("x: &x {<<: *x}", "contains itself"),
        ("description: " + "[" * 5000, "nested deeper"),
        ("description: " + "[" * 200 + "]" * 200, "nested deeper"),
        ("? " * 3000, "nested deeper"),
        ("- " * 3000, "nested deeper"),
        ("name: !!float abc", "s.yaml:1:7: name: 'abc'"),
        ("name: !!int abc", "!!int"),
        ("name: !!bool abc", "!!bool"),
        ("name: !!int true", "!!int"),
        ("name: !!timestamp abc", "!!timestamp"),
        ("name: !!binary abc", "!!binary"),
        ("name: !!python/object/apply:os.system [id]", "!!python/object"),
        ("name: !local x", "!local"),
        ("!!set {a, b}", "!!set"),
        ("!!int a: b", "!!int"),
        ("description: a\x0cb", "s.yaml:1:15"),
        ('description: "a\\x1b[31m"', "U+001B"),
        ('{"\\x07": 1}', "U+0007"),
        ("a: 1\n---\nb: 2", "second document"),
        ("<<: 3", "mappings can be merged"),
        ("{<<: {a: 1}, <<: {b: 2}}", "given twice"),
        ("{[a]: 1}", "key must be a word"),
        ("*nothing", "undefined alias"),
        ("%YAML 7.0\n---\na: 1", "malformed YAML"),
        ("- a\n- b", "a suite is a mapping"),
    ],
)
def test_yaml_that_harms_is_one_sentence_at_once(tmp_path, text, hint):
    started = time.process_time()
    sentence = refused(tmp_path, text).replace(str(tmp_path) + "/", "")
    assert hint in sentence and sentence.startswith("s.yaml:"), sentence
    assert time.process_time() - started < 2


def test_a_file_of_any_size_is_read_only_so_far(tmp_path):
    big = tmp_path / "big.yaml"
    with big.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(BadInput, match="8 MiB"):
        load(big)


def test_aliases_are_copies_so_that_an_override_changes_one_place(tmp_path):
    text = SUITE.replace("with: {units: 2}}", "with: &w {units: 2}}\n  - {id: b, use: workload, with: *w}")
    suite = loaded(tmp_path, text, "tasks.a.with.units=7")
    assert [task.with_["units"] for task in suite.tasks] == [7, 2]


def test_merged_keys_give_way_to_own_ones_and_keep_their_place():
    document = parse("base: &b {x: 1, y: {z: 2}}\nown: {<<: *b, x: 3}\nmany: {<<: [*b, {x: 9, q: 4}]}", "s")
    assert document.data["own"] == {"x": 3, "y": {"z": 2}}
    assert document.data["many"] == {"x": 1, "y": {"z": 2}, "q": 4}
    assert document.where(("own", "x")).startswith("s:2:15") and document.where(("own", "y")).startswith("s:1:")


def test_an_override_that_may_mean_two_items_changes_neither(tmp_path):
    more = "  - {id: '0', use: workload, with: {units: 3}}\n  - {id: local-energy, use: workload}\nmethods:"
    text = SUITE.replace("methods:", more)
    assert "3 items that 'workload' may mean, number 0 and 1 and 2" in refused(
        tmp_path, text, "tasks.workload.dtype=auto"
    )
    assert "2 items that '0' may mean" in refused(tmp_path, text, "tasks.0.dtype=auto")
    assert loaded(tmp_path, text, "tasks.a.batch_size=3", "tasks.2.batch_size=4").tasks[0].batch_size == 3
    text = text.replace("use: workload}\nmethods", "use: workload}\n  - {use: local-energy}\nmethods")
    sizes = [task.batch_size for task in loaded(tmp_path, text, "tasks.local-energy.batch_size=5").tasks]
    assert sizes == [8, 8, 5, 8]  # an id goes before what another item uses


def test_a_sign_that_begins_no_comment_is_taken(tmp_path):
    for written in ("'a #3'", '"a #3"', "a#3"):
        assert loaded(tmp_path, SUITE, f"description={written}").description == written.strip("'\"")


def test_overrides_reach_names_with_dots(tmp_path):
    text = SUITE.replace("id: a,", "id: n2-0.9,")
    assert loaded(tmp_path, text, "tasks[n2-0.9].batch_size=3").tasks[0].batch_size == 3


def test_a_shipped_suite_goes_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, file in shipped_suites().items():
        assert find_suite(type(file)(name)) == file
    with pytest.raises(BadInput, match="did you mean 'quickstart'"):
        find_suite(tmp_path / "quikstart.yaml")
    (tmp_path / "quickstart").write_text(SUITE)
    assert loaded(tmp_path, SUITE) == load_suite(find_suite(type(tmp_path)("quickstart"))).suite
