"""Every error of a suite is one sentence with file, line, column, key path and the nearest valid name."""

import pytest

from effbench.errors import BadInput
from effbench.suite import load_suite

GOOD = """\
schema: effbench/suite/1
name: small
tasks:
  - use: t2i
    with: {steps: 4}
methods:
  - {use: reference, role: reference}
measure:
  latency: {rounds: 2}
"""


def refused(tmp_path, text, *overrides):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        load_suite(path, overrides)
    sentence = str(caught.value).replace(str(path), "s.yaml")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("edit", "parts"),
    [
        (("name: small", "nam: small"), ("s.yaml:1:1", "'name' is missing")),
        (("use: t2i", "uze: t2i"), ("s.yaml:4:5", "tasks[0]", "'use' is missing")),
        (("rounds: 2", "round: 2"), ("s.yaml:9:13", "measure.latency.round", "'rounds'")),
        (("rounds: 2", "rounds: 0"), ("s.yaml:9:13", "got 0")),
        (("rounds: 2", "rounds: two"), ("s.yaml:9:13", "integer", "'two'")),
        (("role: reference", "role: referense"), ("s.yaml:7:22", "'reference'")),
        (("suite/1", "suite/9"), ("s.yaml:1:1", "effbench/suite/1")),
        (("name: small", "name: Small Name"), ("s.yaml:2:1", "pattern")),
        (("name: small", "name: a\nname: b"), ("s.yaml:3:1", "given twice")),
        (("{steps: 4}", "{steps: 4"), ("s.yaml", "malformed")),
        (("{steps: 4}", "&a [*a]"), ("s.yaml", "contains itself")),
        (("measure:", "seeds: [1, 1]\nmeasure:"), ("repeat",)),
        (("measure:", "gates:\n  - {metric: x}\nmeasure:"), ("gates[0]", "min_ratio")),
        (("role: reference}", "role: reference}\n  - {use: x, role: reference}"), ("at most one",)),
    ],
)
def test_bad_files(tmp_path, edit, parts):
    sentence = refused(tmp_path, GOOD.replace(*edit))
    assert all(part in sentence for part in parts), sentence


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("measure.latency.rounds=0", "--set measure.latency.rounds=0"),
        ("measure.latency.round=3", "'rounds'"),
        ("tasks.t3i.with.steps=4", "'t2i'"),
        ("measure", "key.path=value"),
        ("name.x=1", "not a mapping"),
    ],
)
def test_bad_overrides_name_themselves(tmp_path, override, hint):
    assert hint in refused(tmp_path, GOOD, override)


def test_overrides_reach_lists_by_name_and_by_number(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(GOOD)
    suite = load_suite(path, ["tasks.t2i.with.steps=9", "tasks.0.batch_size=3", "measure.memory=false"]).suite
    assert (suite.tasks[0].with_, suite.tasks[0].batch_size, suite.measure.memory) == ({"steps": 9}, 3, False)


@pytest.mark.parametrize("make", ["missing", "folder", "binary", "empty"])
def test_files_that_cannot_be_read(tmp_path, make):
    path = tmp_path / "s.yaml"
    if make == "folder":
        path.mkdir()
    elif make == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    elif make == "empty":
        path.write_text("")
    with pytest.raises(BadInput) as caught:
        load_suite(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
