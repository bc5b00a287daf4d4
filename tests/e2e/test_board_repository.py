"""A board repository: places, what a pull request may change, and the workflows that a host runs, line by line."""

import json
import shutil
from pathlib import PurePosixPath

import pytest
import yaml
from boards import commit, moved, settle
from forging import METHOD, listed_again, own_cell, rewrite_record
from hypothesis import given
from hypothesis import strategies as st

from effbench.errors import BadInput
from effbench.report.markdown import escape_markdown
from effbench.repository.adding import add
from effbench.repository.checking import check_repository
from effbench.repository.comment import comment_of, quiet
from effbench.repository.isolated import checked_apart
from effbench.repository.places import RESERVED, places_in, safe_name
from effbench.repository.starting import start
from effbench.store import read_store
from effbench.submission.manifest import read_manifest
from effbench.submission.packing import pack
from effbench.submission.verifying import keep_outcomes, verify
from effbench.verification import VERIFICATION


def checked(board, author):
    return check_repository(board, "main", author)


@given(st.text(max_size=80))
def test_any_name_becomes_one_part_of_a_path(text):
    name = safe_name(text)
    assert name and len(name) < 60 and PurePosixPath(name).parts == (name,)
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-") and ".." not in name and "--" not in name
    assert not name.startswith((".", "-")) and not name.endswith(".") and not RESERVED.fullmatch(name)
    assert safe_name(name) == name


def test_names_that_look_alike_have_places_of_their_own():
    names = ["a/b", "a-b", "a b", "a.b", "..", ".", "", "con", "CON", "x" * 60, "x" * 61, "é", "è", "a--b", "-a"]
    assert len({safe_name(name) for name in names}) == len(names) - 1, "con and CON are one name to some file systems"
    assert safe_name("half-steps") == "half-steps" and safe_name("Half_Steps.2") == "half_steps.2"


def test_a_clone_of_a_new_board_takes_the_first_submission(sent, tmp_path):
    """git keeps no empty folder, so there is no ``results/`` in it."""
    start(tmp_path / "board", "CC0-1.0")
    (tmp_path / "board" / "results").rmdir()
    assert check_repository(tmp_path / "board", None, "").verdicts == ()
    ((place, _),) = add(sent, tmp_path / "board", by="alice")
    assert (tmp_path / "board" / place / "submission.yaml").is_file()


def test_a_submission_goes_to_its_place_once_and_beside_it_by_another_hand(board, sent):
    ((place, beside),) = add(sent, board, by="alice")
    task, _, method, version = place.parts[1:]
    assert (task, method, beside) == ("toy-minimise", METHOD, "")
    (cell,) = read_manifest(sent).cells
    assert version == f"0.1.0-{cell[:8]}"
    assert read_manifest(board / place).by == "alice"
    assert {**read_manifest(board / place).files} == {**read_manifest(sent).files}
    with pytest.raises(BadInput, match="is there already and stays as it is"):
        add(sent, board, by="Alice")
    ((other, beside),) = add(sent, board, by="bob")
    assert (other, beside) == (place.with_name(f"{place.name}--bob"), "alice")
    with pytest.raises(BadInput, match="does not say who sends it in"):
        add(sent, board)
    with pytest.raises(BadInput, match="not a board repository"):
        add(sent, sent, by="alice")
    assert list(places_in(board)) == [place, other]


def test_what_others_found_is_not_taken_along_and_what_is_forged_is_not_added(board, sent):
    keep_outcomes(sent, verify(sent, "recompute"), "a friend")
    ((place, _),) = add(sent, board, by="alice")
    assert not (board / place / VERIFICATION).exists()
    rewrite_record(own_cell(sent), lambda record: record["numbers"][0].update(value=1.0))
    listed_again(sent)
    with pytest.raises(BadInput, match="level recompute does not pass"):
        add(sent, board, by="bob")


def test_a_new_submission_passes_and_stands_beside_two_references(theirs, ran, tmp_path):
    board, _ = theirs
    pack(read_store(ran.cwd / "store"), "toy-half-steps", tmp_path / "other", licence="MIT", by="bob")
    add(tmp_path / "other", board)
    commit(board)
    found = checked(board, "bob")
    assert found.is_passed, found
    said = comment_of(board, found)
    assert "**Passed**: 1 submission, 1 passed." in said
    assert "the nearest in primary quality here: toy-momentum of alice" in said
    table = [line for line in said.splitlines() if line.startswith("| ")]
    names = [line.split("|")[1].strip() for line in table[2:5]]
    assert names[0] == "**reference (ref.)**" and set(names[1:]) == {"toy-half-steps", METHOD}
    assert "speed-up" in table[0] and all(r"<sub>\[" in line for line in table[2:5]), "with intervals"
    assert "self-reported until somebody else has made it again" in said


def test_a_counter_measurement_is_shown_beside_with_who_measured(theirs, sent, ran):
    board, place = theirs
    add(sent, board, by="bob")
    assert "so that nothing was measured again" in str(checked(board, "bob").verdicts[0].problems)
    shutil.rmtree(board / place.with_name(f"{place.name}--bob"))
    rewrite_record(own_cell(sent), lambda record: record.update(finished_utc="2027-01-01T00:00:00+00:00"))
    listed_again(sent)
    add(sent, board, by="bob")
    commit(board)
    found = checked(board, "bob")
    assert found.is_passed, found
    assert f"measured again: {place} was sent in by alice" in comment_of(board, found)
    shown = ran("report", str(board))
    assert shown.code == 0, shown.err
    assert "by alice" in shown.out and "by bob" in shown.out
    assert "Self-reported: toy-momentum of alice, toy-momentum of bob." in " ".join(shown.out.split())


def linked(board, place):
    file = next((board / place / "cells").rglob("quality.json"))
    shutil.move(file, board / place / "cells" / "away.json")
    file.symlink_to(board / place / "cells" / "away.json")


def emptied(board, place):
    (board / place / "suite.lock.yaml").unlink()


def borrowed(board, place):
    """Send in another's folder as one's own, at its own place for that name."""
    manifest = board / place / "submission.yaml"
    manifest.write_text(manifest.read_text().replace("by: alice", "by: bob"))


def outside(board, place):
    (board / "README.md").write_text("mine")
    (board / "results" / "notes.txt").write_text("mine")
    (board / ".github" / "workflows" / "more.yml").write_text("on: push")


def runnable(board, place):
    (board / place / "plan.json").chmod(0o755)


def with_history(board, place):
    keep_outcomes(board / place, verify(board / place, "recompute"), "a friend")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (moved, "its content belongs to results/toy-minimise/"),
        (linked, "is a link, a module or a program"),
        (emptied, "is listed and not there"),
        (borrowed, "says that it is by bob, and alice sends it in"),
        (outside, "is outside of results/, which is all that a submission may change"),
        (outside, "is no part of a submission"),
        (runnable, "is a link, a module or a program"),
        (with_history, "brings its own verification.json"),
    ],
)
def test_what_a_pull_request_may_not_bring(board, sent, change, said):
    ((place, _),) = add(sent, board, by="alice")
    change(board, place)
    commit(board)
    found = checked(board, "alice")
    assert not found.is_passed
    assert said in quiet_inverse(comment_of(board, found))


def quiet_inverse(text):
    return text.replace("&#8203;", "").replace("\\", "")


def test_what_is_too_large_is_not_looked_at(board, sent):
    add(sent, board, by="alice")
    found = check_repository(board, "main", "alice", most_mb=0.001)
    assert [one.problems[0] for one in found.verdicts] == [
        "is larger than 0.001 MB; effbench submit --outputs-mb leaves large outputs at home"
    ]
    assert found.verdicts[0].outcomes == ()


def changed_number(board, place):
    rewrite_record(own_cell(board / place), lambda record: record["numbers"][0].update(value=1.0))


def removed(board, place):
    shutil.rmtree(board / place)


def removed_in_part(board, place):
    (board / place / "suite.lock.yaml").unlink()


def added_file(board, place):
    (board / place / "more.txt").write_text("x")


@pytest.mark.parametrize(
    ("change", "author", "said"),
    [
        (changed_number, "bob", "is of alice and stays as it is"),
        (changed_number, "alice", "is of alice and stays as it is"),
        (removed_in_part, "alice", "is of alice and stays as it is"),
        (added_file, "bob", "is of alice and stays as it is"),
        (removed, "bob", "belongs to alice, who alone may withdraw it"),
        (removed, "", "belongs to alice, who alone may withdraw it"),
        (removed, "Alice", ""),
    ],
)
def test_what_stands_there_stays_but_for_its_owner_who_may_withdraw_it(theirs, change, author, said):
    board, place = theirs
    change(board, place)
    commit(board)
    found = checked(board, author)
    assert found.is_passed == (not said)
    assert [what.startswith(said) for _, what in found.problems] == ([True] if said else [])
    assert [note.endswith("is withdrawn by alice") for note in found.notes] == ([] if said else [True])


def test_only_somebody_else_says_what_he_found_and_only_adds(theirs):
    board, place = theirs
    keep_outcomes(board / place, verify(board / place, "recompute"), "carol")
    commit(board)
    assert [what for _, what in checked(board, "dave").problems] == [
        "verification.json: dave can say what dave found, and nobody else"
    ]
    assert [what for _, what in checked(board, "").problems] == [
        "verification.json: whose pull request this is was not said (--author), so nobody can be named in it"
    ]
    found = checked(board, "carol")
    assert found.is_passed and "1 check added by carol" in found.notes[0]
    settle(board)
    file = board / place / VERIFICATION
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "history": []}))
    assert "checks are only ever added" in checked(board, "carol").problems[0][1]
    file.write_text(json.dumps(kept))
    keep_outcomes(board / place, verify(board / place, "recompute"), "ALICE")
    assert "alice sent it in; who checks it is somebody else" in checked(board, "alice").problems[0][1]
    file.write_text("{")
    assert "damaged" in checked(board, "carol").problems[0][1]


def renamed(sent, name):
    """Call the method otherwise wherever its name stands, and let everything follow."""
    own = own_cell(sent)
    for file, key in (
        (own / "cell.json", "method_id"),
        (own / "setting.json", "method_id"),
        (sent / "plan.json", "method"),
    ):
        file.write_text(file.read_text().replace(f'"{key}": "{METHOD}"', f'"{key}": {json.dumps(name)}'))
    manifest = yaml.safe_load((sent / "submission.yaml").read_text())
    (sent / "submission.yaml").write_text(yaml.safe_dump({**manifest, "method": name}))
    rewrite_record(own, lambda record: None)
    listed_again(sent)


def test_outputs_that_are_anothers_to_the_bit_are_pointed_out(theirs, sent):
    board, _ = theirs
    renamed(sent, "mine")
    add(sent, board, by="bob")
    commit(board)
    found = checked(board, "bob")
    assert found.is_passed, found
    assert "its outputs are those of toy-momentum of alice to the bit (6 of 6 samples)" in comment_of(board, found)


def test_all_of_a_repository_is_checked_without_a_commit_to_compare_with(theirs):
    board, place = theirs
    assert check_repository(board).is_passed
    (board / "results" / "stray.txt").write_text("x")
    changed_number(board, place)
    found = check_repository(board)
    assert found.problems == (("results/stray.txt", "is no part of a submission"),)
    assert not found.verdicts[0].is_passed
    with pytest.raises(BadInput, match="not a board repository"):
        check_repository(board / "results")
    with pytest.raises(BadInput, match=r"git merge-base: .*nonsense"):
        check_repository(board, "nonsense")
    with pytest.raises(BadInput, match="is no commit"):
        check_repository(board, "--output=/tmp/x")


def test_a_check_that_takes_too_much_ends_alone(sent):
    (outcome,) = checked_apart(sent, memory=48 << 20)
    assert "ended its check" in outcome.findings[0].what and not outcome.is_passed
    (outcome,) = checked_apart(sent, seconds=0.01)
    assert outcome.findings[0].what == "takes more than 0.01 s to check"
    assert all(outcome.is_passed for outcome in checked_apart(sent))


EVIL = "@octo/all <script>x</script> | $x$ #7 `a` www.evil.example https://evil.example/![p](javascript:x)"


def test_names_of_strangers_call_nobody_and_link_to_nothing(board, sent):
    renamed(sent, EVIL)
    manifest = yaml.safe_load((sent / "submission.yaml").read_text())
    (sent / "submission.yaml").write_text(yaml.safe_dump({**manifest, "licence": EVIL}))
    ((place, _),) = add(sent, board, by=EVIL)
    assert all(safe_name(part) == part for part in place.parts)
    found = checked(board, EVIL)
    assert found.is_passed, found
    said = comment_of(board, found)
    assert "octo/all" in said
    for live in ("@octo", "<script", "www.", "https://", "#7", "![p]", "[p](", " $x$", "`a`"):
        assert live not in said, live
    outside = quiet(escape_markdown("results/@x#1"))
    assert outside == "results/@&#8203;x#&#8203;1"
