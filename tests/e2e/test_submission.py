"""A submission from a run to a verifier: what is packed, which level catches which change, and what no level believes."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from forging import METHOD, forged_scores, listed_again, own_cell, raised_clock, rewrite_record

from effbench.errors import BadInput, StoreError
from effbench.parts import KeptOutputs, read_parts, write_outputs, write_part
from effbench.repository.adding import add
from effbench.repository.checking import Checked, Verdict
from effbench.repository.comment import comment_of
from effbench.store import SAMPLE_KEY, read_store
from effbench.submission.checking import check_schema
from effbench.submission.manifest import is_known, read_manifest
from effbench.submission.packing import folder_name, pack
from effbench.submission.verifying import LEVELS, verify
from effbench.verification import MEANING, VERIFICATION, read_history

sys.path.insert(0, str(Path(__file__).parent.parent / "store_fuzz"))


def passed(outcomes):
    return {outcome.level: outcome.is_passed for outcome in outcomes}


def test_a_submission_goes_round_and_its_history_says_who_checked_what(ran, tmp_path):
    made = ran("submit", "store", "--method", METHOD, "--licence", "CC-BY-4.0", "--out", str(tmp_path / "sent"))
    assert made.code == 0, made.err
    assert "recompute: passed: every number follows from the raw parts" in made.out
    assert f"{METHOD} on minimise" in made.err and "of outputs" in made.err
    checked = ran("verify", str(tmp_path / "sent"), "--level", "rescore", "--by", "a stranger", "--json")
    assert checked.code == 0, checked.err
    levels = checked.json()
    assert [(level["level"], level["passed"]) for level in levels] == [
        ("schema", True), ("recompute", True), ("rescore", True),
    ]  # fmt: skip
    assert levels[2]["compared"] == 2 * 6, "the outputs of the reference are scored again, too"
    assert levels[1]["compared"] > 10
    (entry,) = read_history(tmp_path / "sent")
    assert entry.by == "a stranger" and [level.passed for level in entry.levels] == [True] * 3
    assert entry.sentence.endswith(f"machine {entry.machine}: schema, recompute, rescore passed")
    again = ran("verify", str(tmp_path / "sent"))  # the history is no file that was not listed
    assert again.code == 0, again.err
    shown = ran("report", str(tmp_path / "sent"))  # it is a store, too
    assert shown.code == 0 and METHOD in shown.out and "toy-half-steps" not in shown.out


def test_what_is_packed_is_what_numbers_are_made_from(sent):
    manifest = read_manifest(sent)
    assert (manifest.method, manifest.tasks, manifest.licence) == (METHOD, ("minimise",), "CC-BY-4.0")
    assert any("toy" in where for where in manifest.origins.values())
    kinds = {name.split("/")[2] for name in manifest.files if name.startswith("cells/")}
    assert kinds == {"cell.json", "setting.json", "jobs", "samples", "draws", "timings", "outputs"}
    assert {cell.method_id for cell in read_store(sent).cells} == {METHOD, "reference"}
    assert not list(sent.rglob("log.txt"))


def test_outputs_that_are_too_large_stay_at_home_and_rescoring_says_so(ran, tmp_path):
    pack(read_store(ran.cwd / "store"), METHOD, tmp_path / "sent", licence="MIT", outputs_mb=0.0001)
    result = ran("verify", str(tmp_path / "sent"), "--level", "rescore")
    assert result.code == 1
    assert f"rescore: NOT PASSED (no outputs were sent in of minimise/{METHOD})" in result.err


def test_bad_requests_are_one_sentence(ran, tmp_path, sent):
    view = read_store(ran.cwd / "store")
    with pytest.raises(BadInput, match=r"no finished cell of method 'toy-momentun' .*'toy-momentum'"):
        pack(view, "toy-momentun", tmp_path / "x", licence="MIT")
    with pytest.raises(BadInput, match="is not an empty folder"):
        pack(view, METHOD, sent, licence="MIT")
    result = ran("verify", str(ran.cwd / "store"))
    assert result.code == 1 and "not a submission (no submission.yaml)" in result.err


def test_a_number_that_was_changed_is_caught_from_the_parts(sent):
    folder = own_cell(sent)

    def improve(record):
        next(n for n in record["numbers"] if n["name"] == "gap")["value"] /= 2

    rewrite_record(folder, improve)
    assert not check_schema(sent).is_passed, "a file that is not the one that was listed"
    listed_again(sent)
    outcomes = verify(sent, "recompute")
    assert passed(outcomes) == {"schema": True, "recompute": False}
    (finding,) = outcomes[1].findings
    assert finding.where == f"minimise/{METHOD}" and finding.what.startswith("gap: value is ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("verified_by", "somebody famous"),
        ("certificate", ["tau 1.00"]),
        ("kernels", ["linear_w8a8/cpu"]),
        ("noise", {"grade": "A"}),
        ("seeds", [0, 1]),
    ],
)
def test_whatever_else_a_record_says_is_held_against_the_parts(sent, field, value):
    rewrite_record(own_cell(sent), lambda record: record.update({field: value}))
    listed_again(sent)
    outcomes = verify(sent, "recompute")
    assert [finding.what for finding in outcomes[-1].findings] == [f"{field} is not what the parts say"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: next((folder / "timings").iterdir()).unlink(), "is listed and not there"),
        (lambda folder: (folder / "jobs" / "extra.json").write_text("{}"), "is there and not listed"),
        (lambda folder: (folder / "jobs" / "away").symlink_to("/etc"), "is there and not listed"),
        (lambda folder: (folder / "setting.json").write_text("{}"), "is not the file that was listed"),
        (lambda folder: shutil.rmtree(folder), "is listed and not there"),
    ],
)
def test_files_that_are_not_as_listed_are_named(sent, change, said):
    change(own_cell(sent))
    outcome = check_schema(sent)
    assert not outcome.is_passed and any(said in finding.what for finding in outcome.findings)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x.json", "cells/../../x.json", "cells/0123456789abcdef/artifact/weights.safetensors",
             "cells/0123456789abcdef/jobs/../../../x.json", "cells/0123456789abcdef/log.txt", "x.pkl", "machine/a b.json"],
)  # fmt: skip
def test_paths_that_a_submission_may_not_hold_are_refused(sent, name):
    assert not is_known(name)
    content = yaml.safe_load((sent / "submission.yaml").read_text())
    content["files"][name] = "0" * 64
    (sent / "submission.yaml").write_text(yaml.safe_dump(content))
    (finding,) = check_schema(sent).findings
    assert "is no file that a submission may hold" in finding.what


def test_a_cell_of_the_method_that_is_not_listed_is_named(sent, ran, tmp_path):
    content = yaml.safe_load((sent / "submission.yaml").read_text())
    (own,) = content["cells"]
    content["cells"] = [next(c["id"] for c in json.loads((sent / "plan.json").read_text()) if c["id"] != own)]
    (sent / "submission.yaml").write_text(yaml.safe_dump(content))
    said = [finding.what for finding in check_schema(sent).findings]
    assert "is neither listed as a cell of the method nor anybody's reference" in said


def test_a_table_beside_those_of_the_record_is_a_finding_and_is_not_packed(ran, sent, tmp_path):
    """Whoever verifies would read both, and whoever is shown the numbers only the one that the record names."""
    shown = own_cell(sent)
    table = read_parts(shown / "samples", SAMPLE_KEY)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    extra = write_part(shown / "samples", "aaa", columns, {})
    listed_again(sent)
    (finding,) = check_schema(sent).findings
    assert finding.where.endswith(f"samples/{extra.name}") and finding.what.startswith("is a table beside those")
    store = Path(shutil.copytree(ran.cwd / "store", tmp_path / "store"))
    write_part(store / "cells" / shown.name / "samples", "aaa", columns, {})
    manifest = pack(read_store(store), METHOD, tmp_path / "again", licence="CC-BY-4.0")
    assert not [name for name in manifest.files if "/aaa" in name]
    assert check_schema(tmp_path / "again").is_passed


def test_the_name_of_a_machine_leads_nowhere(ran, tmp_path):
    store = Path(shutil.copytree(ran.cwd / "store", tmp_path / "store"))
    (tmp_path / "secret.json").write_text("{}")
    for name in ("../../secret", "/etc/passwd", "..", "a\nb", "x" * 5000):
        for file in store.glob("cells/*/cell.json"):
            record = json.loads(file.read_bytes())
            record["provenance"]["machine"] = name
            file.write_text(json.dumps(record))
        out = tmp_path / f"sent-{len(name)}"
        manifest = pack(read_store(store), METHOD, out, licence="CC-BY-4.0")
        assert not [file for file in manifest.files if file.startswith("machine")]
        assert not list(out.rglob("*secret*")) and not list(out.rglob("*passwd*"))


@pytest.mark.parametrize(
    ("method", "folder"),
    [("toy-momentum", "toy-momentum"), ("..", "method"), (".", "method"), ("../../x", "-..-x"), ("/etc/x", "-etc-x"),
     (".ssh", "ssh"), ("a\nb\x1b", "a-b-"), ("a+b(c=1)", "a-b-c-1-")],
)  # fmt: skip
def test_a_method_s_name_makes_a_folder_of_its_own_and_leads_nowhere(method, folder):
    assert folder_name(method) == folder and Path("submissions", folder).resolve().parent.name == "submissions"


def test_a_file_s_name_cannot_forge_a_line_of_what_was_found(sent, ran):
    (own_cell(sent) / "x\nschema: passed: every file is there\x1b[2J").write_text("")
    result = ran("verify", str(sent))
    assert result.code == 1 and "x1b" in result.err and "\x1b" not in result.err
    assert not [line for line in (result.out + result.err).splitlines() if line.startswith("schema: passed")]


def test_a_level_that_compared_nothing_passes_nobody(sent, monkeypatch):
    from effbench.submission import verifying
    from effbench.submission.checking import LevelOutcome

    monkeypatch.setitem(verifying.LEVELS, "recompute", lambda path: LevelOutcome("recompute", (), 0))
    outcome = verify(sent, "recompute")[-1]
    assert not outcome.is_passed and outcome.missing == "there was nothing to compare"


def test_a_reference_that_was_left_out_is_missed(sent):
    reference = next(cell for cell in read_store(sent).cells if cell.role == "reference")
    shutil.rmtree(sent / "cells" / reference.id)
    plan = [cell for cell in json.loads((sent / "plan.json").read_text()) if cell["id"] != reference.id]
    (sent / "plan.json").write_text(json.dumps(plan))
    listed_again(sent)
    outcome = check_schema(sent)
    assert [f.what for f in outcome.findings] == [f"its reference {reference.id} was not sent in"]


def test_a_sample_that_was_dropped_is_missed_from_the_parts(sent):
    folder = own_cell(sent)
    table = read_parts(folder / "samples", SAMPLE_KEY)
    (file,) = (folder / "samples").iterdir()
    file.unlink()
    short = table.slice(0, table.num_rows - 1)
    write_part(folder / "samples", "merged", {n: short[n].to_pylist() for n in short.column_names}, {})
    rewrite_record(folder, lambda record: None)
    listed_again(sent)
    assert passed(verify(sent, "rescore")) == {"schema": True, "recompute": False}


def test_scores_that_were_forged_with_all_that_follows_are_caught_from_the_outputs(sent, ran):
    forged_scores(own_cell(sent))
    listed_again(sent)
    result = ran("verify", str(sent), "--level", "rescore")
    assert result.code == 1
    assert "recompute: passed" in result.out and "rescore: NOT PASSED" in result.err
    assert "gap: 6 of 6 scores differ" in result.err


def test_outputs_that_were_swapped_are_caught_by_their_hashes(sent, ran):
    folder = own_cell(sent)
    kept = KeptOutputs(folder / "outputs")
    ids = sorted({sample for sample, _ in kept.captions})
    outputs = {name: kept.batch([name], 0)[0] for name in ids}
    shutil.rmtree(folder / "outputs")
    swapped = [outputs[name] for name in [*ids[1:], ids[0]]]
    write_outputs(folder / "outputs", "s0-k", ids, 0, swapped)
    listed_again(sent)
    result = ran("verify", str(sent), "--level", "rescore")
    assert result.code == 1 and "recompute: passed" in result.out
    assert "is not the one that was scored" in result.err


@pytest.mark.whole
def test_a_method_that_is_run_again_gives_the_same_outputs_and_times(sent, ran):
    result = ran("verify", str(sent), "--level", "remeasure", "--by", "a stranger")
    assert f"minimise/{METHOD}: 6 of 6 outputs are the same to the bit" in result.out, result.err
    assert f"minimise/{METHOD}: speedup: " in result.out + result.err
    (entry,) = read_history(sent)
    assert [level.level for level in entry.levels] == list(LEVELS) == list(MEANING) and len(entry.machine) == 12


@pytest.mark.proof
def test_a_raised_clock_is_consistent_with_itself_and_caught_by_who_times_again(sent, ran):
    raised_clock(own_cell(sent))
    listed_again(sent)
    assert passed(verify(sent, "recompute")) == {"schema": True, "recompute": True}
    result = ran("verify", str(sent), "--level", "remeasure")
    assert result.code == 1 and "regenerate: passed" in result.out and "remeasure: NOT PASSED" in result.err


@pytest.mark.proof
def test_scores_without_outputs_are_caught_by_who_runs_the_method_again(sent, ran):
    folder = own_cell(sent)
    forged_scores(folder)
    shutil.rmtree(folder / "outputs")
    listed_again(sent)
    result = ran("verify", str(sent), "--level", "regenerate")
    assert result.code == 1 and "rescore: NOT PASSED (no outputs were sent in" in result.err
    assert "regenerate: NOT PASSED" in result.err and "of the same outputs gap: 6 of 6 scores differ" in result.err


@pytest.mark.proof
def test_a_suite_that_runs_something_else_than_the_records_say_is_caught(sent, ran):
    lock = yaml.safe_load((sent / "suite.lock.yaml").read_text())
    methods = lock["suite"]["methods"]
    lock["suite"]["methods"] = [m for m in methods if m["use"] != "toy-half-steps"]
    next(m for m in methods if m["use"] == METHOD).update(use="toy-half-steps", id=METHOD)
    (sent / "suite.lock.yaml").write_text(yaml.safe_dump(lock))
    listed_again(sent)
    result = ran("verify", str(sent), "--level", "regenerate")
    assert result.code == 1 and "runs something else than its records say" in result.err


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": "effbench/verification/1", "history": [{"by": 1}]}'])
def test_a_history_that_is_damaged_is_one_sentence(sent, ran, text):
    (sent / VERIFICATION).write_text(text)
    with pytest.raises(StoreError, match=r"verification\.json: damaged: "):
        read_history(sent)
    result = ran("verify", str(sent), "--by", "x")
    assert result.code == 2 and len(result.err.strip().splitlines()) == 1


def fuzzed(numbers, sent, folder):
    """Return how often the two levels that run no code passed and refused mutants, listed again every second time."""
    from mutants import mutate

    counts = {True: 0, False: 0}
    outside = folder / "outside"
    shutil.copytree(sent, outside)
    for number in numbers:
        path = folder / f"m{number}"
        shutil.copytree(sent, path)
        try:
            done = mutate(number, path, outside)
        except (
            ValueError,
            MemoryError,
            RecursionError,
            yaml.YAMLError,
        ):  # a second mutation cannot read what the first left
            shutil.rmtree(path)
            continue
        try:
            manifest = path / "submission.yaml"
            if number % 2 and manifest.is_file() and manifest.stat().st_size < 1 << 24:
                listed_again(path)
            outcomes = verify(path, "recompute")
        except (yaml.YAMLError, OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            if "submission" not in done:
                error.add_note(f"mutant {number}: {done}")
                raise
            outcomes = verify(path, "recompute")
        for outcome in outcomes:
            counts[outcome.is_passed] += 1
            assert all("\n" not in finding.what and len(finding.what) < 5000 for finding in outcome.findings), done
        if all(outcome.is_passed for outcome in outcomes):
            commented(path, folder / f"board{number}", outcomes)
        shutil.rmtree(path)
    return counts


def commented(path, board, outcomes):
    """Put what passes into a repository and say what is to be said of it, or have it refused in a sentence."""
    (board / "results").mkdir(parents=True)
    try:
        ((place, _),) = add(path, board, by="x")
    except (BadInput, StoreError) as error:
        assert "\n" not in str(error)
        return
    verdict = Verdict(place, read_manifest(board / place), tuple(outcomes), ())
    assert comment_of(board, Checked((verdict,), ())).startswith("## EffBench")
    shutil.rmtree(board)


def test_mutants_get_a_sentence(sent, tmp_path):
    counts = fuzzed(range(100), sent, tmp_path)
    assert counts[False] > 50 and counts[True] > 20


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_two_thousand_mutants_get_a_sentence(sent, tmp_path):
    print(fuzzed(range(1000, 3000), sent, tmp_path))


def test_samples_may_flip_both_ways_and_not_all_to_one_side():
    from effbench.submission.rerunning import REPRODUCED, _move

    rng = np.random.default_rng(0)
    sent = rng.normal(30, 5, 50)
    assert _move(sent, sent) == 0.0
    assert abs(_move(sent, sent + rng.normal(0, 2, 50))) <= REPRODUCED, "noise without a direction"
    assert 0 < _move(sent, sent + 0.1) < REPRODUCED < _move(sent, sent + 2)
    right = np.array([1.0] * 48 + [0.0] * 2)
    flipped = right.copy()
    flipped[0] = 0.0
    assert _move(right, flipped) == 0.0, "one answer of fifty"
    assert _move(right, np.zeros(50)) > REPRODUCED
    assert _move(np.ones(5), np.ones(5) * 0.9) == np.inf
    gone = sent.copy()
    gone[0] = np.nan
    assert _move(sent, gone) == np.inf


def test_scores_may_move_by_rounding_and_not_by_more():
    from effbench.submission.rescoring import moved_scores

    found = np.linspace(0, 1, 100)
    assert moved_scores("x", found + 1e-4, found)[0] == ""
    assert moved_scores("x", found + 0.01, found)[0].startswith("x: 100 of 100 scores differ")
    one = found.copy()
    one[3] += 0.5
    assert moved_scores("x", one, found)[0] == "", "one of a hundred may flip"
    one[4] += 0.5
    assert moved_scores("x", one, found)[0].startswith("x: 2 of 100 scores differ, one is 0.")
    gone = found.copy()
    gone[[5, 6]] = np.nan
    assert "differ" in moved_scores("x", gone, found)[0], "a score that is missing on one side is another score"
