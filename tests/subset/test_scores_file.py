"""Scores as a file: the same matrices back, any damage in one sentence, and the commands that write and take one."""

from dataclasses import replace

import numpy as np
import pytest
from planted import noisy
from typer.testing import CliRunner

from effbench.cli.subset import app
from effbench.errors import BadInput
from effbench.subset.matrix import score_matrix
from effbench.subset.scores_file import read_scores_file, write_scores
from effbench.subset.stores import PoolScores
from effbench.subset.texts import with_texts


def pair():
    first = noisy(12, 40)
    names = [f"{task}/{name}" for task, name in zip("aabb" * 3, first.methods)]
    one = score_matrix("one", first.values, names, first.samples, families=first.families, margin=0.1)
    coarse = np.round(first.values, 0)  # float32 holds these exactly
    return one, score_matrix("two", coarse, names, first.samples, families=first.families, higher_is_better=False)


@pytest.fixture
def file(tmp_path):
    write_scores(tmp_path / "s.npz", PoolScores(pair(), 1.5, "suite planted"))
    return tmp_path / "s.npz"


@pytest.mark.parametrize("places", [(0, 1), (1,)])
def test_what_was_written_comes_back_exactly(tmp_path, places):
    matrices = tuple(pair()[place] for place in places)
    write_scores(tmp_path / "s.npz", PoolScores(matrices, 1.5, "suite planted"))
    again = read_scores_file(tmp_path / "s.npz")
    assert (again.seconds_per_sample, again.source) == (1.5, "suite planted")
    for ours, theirs in zip(matrices, again.matrices, strict=True):
        assert np.array_equal(ours.values, theirs.values) and ours.pool_sha256 == theirs.pool_sha256
        for field in ("metric", "methods", "samples", "families", "higher_is_better", "margin", "texts"):
            assert getattr(ours, field) == getattr(theirs, field)


def test_metrics_and_tasks_can_be_picked(file):
    picked = read_scores_file(file, ["two"], "b").matrices
    assert [matrix.metric for matrix in picked] == ["two"]
    assert {name[0] for name in picked[0].methods} == {"b"} and len(picked[0].methods) == 6
    bracketed = [replace(m, methods=tuple(f"own[x]/{name}" for name in m.methods)) for m in pair()]
    write_scores(file, PoolScores(tuple(bracketed), 1.5, "planted"))
    assert len(read_scores_file(file, [], "own[x]").matrices[0].methods) == 12  # a task's own name is no glob
    with pytest.raises(BadInput, match=r"no scores of 'tow'.*two"):
        read_scores_file(file, ["tow"])
    with pytest.raises(BadInput, match="no method of task 'c' in it"):
        read_scores_file(file, [], "c")


@pytest.mark.parametrize("damage", ["absent", "cut", "text", "schema"])
def test_what_is_no_file_of_scores_is_one_sentence(file, damage):
    if damage == "absent":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:300])
    elif damage == "text":
        file.write_text("scores")
    else:
        np.savez(file, schema=np.array("other/1"))
    with pytest.raises(BadInput) as refused:
        read_scores_file(file)
    assert str(file) in str(refused.value) and "\n" not in str(refused.value)


def test_build_takes_a_file_and_the_published_setting_s_options(file, tmp_path):
    out, folder = tmp_path / "six.yaml", tmp_path / "searches"
    asked = ["build", "--from", str(file), "--metric", "one", "--size", "6", "--out", str(out)]
    search = [
        "--selector",
        "frequency",
        "--sets",
        "200",
        "--top",
        "20",
        "--rounds",
        "3",
        "--checkpoint",
        str(folder),
        "--searches",
        "12",
    ]
    built = CliRunner().invoke(app, [*asked, *search])
    assert built.exit_code == 0, built.output
    kept = sorted(folder.iterdir())
    text = out.read_text()
    assert "name: planted-6" in text and "sets: 200" in text and "rounds: 3" in text
    times = [path.stat().st_mtime_ns for path in kept]
    assert len(kept) == 25  # one on all, two partitions of six, three without a family, three at each of three points
    again = CliRunner().invoke(app, [*asked, *search])
    assert again.exit_code == 0 and out.read_text() == text
    assert [path.stat().st_mtime_ns for path in kept] == times  # nothing was searched again
    checked = CliRunner().invoke(app, ["check", str(out), "--from", str(file)])
    assert checked.exit_code == 0 and "holds for these 12 methods" in checked.output


def test_options_of_another_selector_are_refused(file, tmp_path):
    asked = ["build", "--from", str(file), "--metric", "one", "--size", "6", "--out", str(tmp_path / "x.yaml")]
    refused = CliRunner().invoke(app, [*asked, "--sets", "9"])
    assert isinstance(refused.exception, BadInput)
    assert str(refused.exception) == "--sets belongs to the selector 'frequency', not to 'soft'"


def test_prompts_come_from_a_list_and_a_missing_one_is_named(file, tmp_path):
    prompts = tmp_path / "prompts.yaml"
    prompts.write_text("other: 1\nlist:\n" + "".join(f'- {{id: s{n}, prompt: "words {n}"}}\n' for n in range(40)))
    found = with_texts(read_scores_file(file), prompts)
    write_scores(file, found)
    assert read_scores_file(file).matrices[0].texts == tuple(f"words {n}" for n in range(40))
    prompts.write_text("- {id: s0, prompt: words}")
    with pytest.raises(BadInput, match=r"no prompt of sample 's1' in it \(39 of 40 lack one\)"):
        with_texts(found, prompts)
    prompts.write_text("- {id: s0")
    with pytest.raises(BadInput, match=r"prompts\.yaml:2:1: malformed YAML"):
        with_texts(found, prompts)
    with pytest.raises(BadInput, match=r"nowhere\.yaml: cannot read the file"):
        with_texts(found, tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("- {id: 17, prompt: x}", "id 17 of an entry is read as int"),
        ("- {id: s0, prompt: false}", "prompt False of an entry is read as bool"),
        ("- {id: s0, prompt: x}\n- {id: s0, prompt: y}", "two prompts of sample 's0'"),
    ],
)
def test_prompts_that_yaml_would_change_are_refused(file, tmp_path, entries, said):
    (tmp_path / "p.yaml").write_text(entries)
    with pytest.raises(BadInput, match=said):
        with_texts(read_scores_file(file), tmp_path / "p.yaml")
