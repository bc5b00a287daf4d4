"""Round trips of what a cell leaves: scores, arrays, outputs; hashes tell what differs."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

import effbench.parts
from effbench.api import Scores
from effbench.atomic import file_sha256
from effbench.digest import digest, digest_with_times
from effbench.errors import StoreError
from effbench.inside import root_of
from effbench.parts import (
    KeptOutputs,
    may_hold,
    merge_parts,
    named_in,
    part_files,
    read_parts,
    score_columns,
    scores_of,
    write_outputs,
    write_part,
)
from effbench.store import TIMING_KEY, CellFolder
from effbench.timings import MEASURED, rounds_of

KEY = ("seed", "sample_id")


def part(folder, ids, seed=0, shift=0.0):
    scalars = {"a": np.arange(len(ids)) + shift, "b": np.full(len(ids), np.nan)}
    arrays = {"box": [np.ones((i, 2), np.float32) * i for i in range(len(ids))]}
    columns = {"sample_id": ids, "seed": [seed] * len(ids)} | score_columns(Scores(scalars, arrays))
    return write_part(folder, f"s{seed}-{ids[0]}", columns, {"code_version": "v"})


def test_scores_with_nan_and_ragged_arrays_come_back(tmp_path):
    part(tmp_path, ["x", "y", "z"])
    scores = scores_of(read_parts(tmp_path, KEY))
    assert scores.scalars["a"].tolist() == [0, 1, 2]
    assert np.isnan(scores.scalars["b"]).all()
    assert [a.shape for a in scores.arrays["box"]] == [(0, 2), (1, 2), (2, 2)]
    assert scores.arrays["box"][2].tolist() == [[2, 2], [2, 2]]


def test_a_column_is_found_by_the_end_of_a_part(tmp_path, monkeypatch):
    monkeypatch.setattr("effbench.parts.read_part", None)  # no row is read for it
    folder, root = str(tmp_path / "samples"), root_of(tmp_path)
    assert not may_hold(folder, "array.box", root)
    file = part(tmp_path / "samples", ["x", "y"])
    assert may_hold(folder, "array.box", root)
    assert not may_hold(folder, "array.curve_s", root)
    file.write_bytes(file.read_bytes()[:-1])
    assert may_hold(folder, "array.curve_s", root)  # it cannot be told: whoever reads on sees why
    assert not may_hold(folder, "array.curve_s", root, named=[])
    assert may_hold(folder, "array.curve_s", root, named=["merged.0.parquet"])  # a record names it, and it is not there


def test_a_part_that_leads_out_of_its_store_is_not_opened_for_its_columns(tmp_path):
    outside = part(tmp_path / "outside", ["x"])
    folder = tmp_path / "store" / "samples"
    folder.mkdir(parents=True)
    (folder / outside.name).symlink_to(outside)
    assert may_hold(str(folder), "array.curve_s", root_of(tmp_path / "store"))
    assert not may_hold(str(folder), "array.curve_s", root_of(tmp_path))


def test_merging_keeps_every_row_once_even_beside_the_merged_file(tmp_path):
    part(tmp_path, ["x", "y"])
    part(tmp_path, ["z"], shift=7.0)
    merged = merge_parts(tmp_path, KEY)
    assert merged is not None and len(part_files(tmp_path)[0]) == 3
    assert read_parts(tmp_path, KEY)["sample_id"].to_pylist() == ["x", "y", "z"]


def test_a_damaged_part_is_told_apart_and_not_read(tmp_path):
    part(tmp_path, ["x"])
    bad = part(tmp_path, ["y"])
    bad.write_bytes(bad.read_bytes()[:-10])
    assert part_files(tmp_path)[1] == [bad]
    assert read_parts(tmp_path, KEY)["sample_id"].to_pylist() == ["x"]


def named(*files):
    return {file.name: file_sha256(file) for file in files}


def test_with_a_record_those_files_are_read_that_it_names_and_no_others(tmp_path):
    ours = part(tmp_path, ["x"])
    part(tmp_path, ["a", "x"], shift=9.0)  # whose row of x would come first
    assert read_parts(tmp_path, KEY, named=named(ours))["score.a"].to_pylist() == [0.0]
    assert read_parts(tmp_path, KEY)["score.a"].to_pylist() == [9.0, 10.0]


def test_a_file_that_its_record_names_otherwise_is_one_sentence(tmp_path):
    ours, other = part(tmp_path, ["x"]), part(tmp_path, ["y"])
    claimed = {ours.name: file_sha256(other)}
    with pytest.raises(StoreError, match=f"{ours.name}: damaged: its sha256 is not the one in its record"):
        read_parts(tmp_path, KEY, named=claimed)
    ours.unlink()
    with pytest.raises(StoreError, match=f"{ours.name}: damaged: its record names it, and it is not there"):
        read_parts(tmp_path, KEY, named=claimed)
    (tmp_path / ours.name).symlink_to("/etc/passwd")
    with pytest.raises(StoreError, match="leads out of its store"):
        read_parts(tmp_path, KEY, named=claimed)


def test_files_are_named_by_their_folder(tmp_path):
    files = {"samples/a.parquet": "1", "samples/b.parquet": "2", "samples-before/c.parquet": "3", "setting.json": "4"}
    assert named_in(files, "samples") == {"a.parquet": "1", "b.parquet": "2"}
    assert named_in(files, "timings") is None  # what was never merged is read as it stands


@pytest.mark.parametrize("when", ["listed", "looked at"])
def test_a_part_that_is_merged_while_others_are_read_loses_no_row(tmp_path, monkeypatch, when):
    """A run merges and drops parts; a reader that listed them before sees all rows all the same."""
    parts = [part(tmp_path, [name]) for name in "xyz"]
    real, done = getattr(effbench.parts, "name_matches_content" if when == "listed" else "read_part"), []

    def merging(file, *rest):
        if not done:
            done.append(merge_parts_by_another(tmp_path, parts))
        return real(file, *rest)

    monkeypatch.setattr(effbench.parts, real.__name__, merging)
    assert read_parts(tmp_path, KEY)["sample_id"].to_pylist() == ["x", "y", "z"]
    assert done and not any(file.exists() for file in parts)


def merge_parts_by_another(folder, parts):
    """Merge the parts of a folder and drop them, as another process would."""
    code = (
        "import sys; from pathlib import Path; from effbench.parts import *; "
        "folder = Path(sys.argv[1]); drop_merged_parts(folder, merge_parts(folder, ('seed', 'sample_id')))"
    )
    subprocess.run([sys.executable, "-c", code, folder], check=True, timeout=60)
    return True


def test_a_folder_that_never_stands_still_is_one_sentence(tmp_path, monkeypatch):
    part(tmp_path, ["x"])

    def gone(file):
        raise FileNotFoundError(file)

    monkeypatch.setattr(effbench.parts, "name_matches_content", gone)
    with pytest.raises(StoreError, match="its files change faster than they can be read"):
        read_parts(tmp_path, KEY)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "bool"])
def test_outputs_come_back_bit_for_bit(tmp_path, dtype):
    outputs = [{"image": np.arange(6).reshape(2, 3).astype(dtype)}, {"image": np.zeros((0, 3), dtype)}]
    write_outputs(tmp_path, "s3-k", ["x", "y"], 3, outputs)
    kept = KeptOutputs(tmp_path)
    assert digest(kept.batch(["y", "x"], 3)) == digest(outputs[::-1])
    assert kept.batch(["x"], 4) is None
    assert kept.captions == {("x", 3): "x", ("y", 3): "y"}
    write_outputs(tmp_path, "s4-k", ["x"], 4, outputs[:1], ["a red dog"])
    assert KeptOutputs(tmp_path).captions["x", 4] == "a red dog"


def test_the_digest_tells_values_dtypes_shapes_and_order_apart():
    a = np.arange(4, dtype=np.float32)
    different = [a, a.astype(np.float64), a.reshape(2, 2), a[::-1], {"a": a}, {"b": a}, [a, a]]
    assert len({digest(x) for x in different}) == len(different)
    assert digest({"x": 1, "y": a}) == digest({"y": a.copy(), "x": 1})


@dataclass
class Probed:
    energy: float
    took_s: float


@pytest.mark.parametrize("made", [lambda took, energy: [{"energy": energy, "took_s": took}], lambda t, e: Probed(e, t)])
def test_the_digest_leaves_out_times_at_every_depth_and_nothing_else(made):
    first, later, other = made(0.5, 1.0), made(0.7, 1.0), made(0.5, 2.0)
    assert digest(first) == digest(later) != digest(other)
    assert digest([{"part": first}]) == digest([{"part": later}])
    assert len({digest_with_times(x) for x in (first, later, other)}) == 3


def test_outputs_that_find_no_disk_are_one_sentence_and_leave_nothing(tmp_path):
    code = """\
import resource, signal, sys
from pathlib import Path
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
from effbench.errors import StoreError
from effbench.parts import write_outputs
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_outputs(Path(sys.argv[1]), "a", ["s"], 0, [{"image": np.zeros((64, 64, 3), np.uint8)}])
except StoreError as error:
    print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "outputs"], capture_output=True, text=True, timeout=60
    )
    assert "cannot be saved: File too large" in said.stdout and said.returncode == 0, said.stderr
    assert list((tmp_path / "outputs").iterdir()) == []


@pytest.mark.parametrize("column", [*TIMING_KEY, *MEASURED])
def test_a_table_of_timings_that_lacks_a_column_names_its_file(tmp_path, column):
    row = {"round": "r1", "batch_size": 1, "turn": 0, "iteration": 0, "phase": "steady"}
    row |= {"machine": "m", "wall_ns": 5, "load_s": 0.1, "flags": ""}
    folder = CellFolder(tmp_path / "whole")
    write_part(folder.timings, "r1", {name: [value] for name, value in row.items()}, {})
    assert rounds_of(folder, 1, "m")["r1"].first == []
    del row[column]
    folder = CellFolder(tmp_path / "lacking")
    file = write_part(folder.timings, "r1", {name: [value] for name, value in row.items()}, {})
    with pytest.raises(StoreError, match=f"{file.name}: damaged: it has no column {column}"):
        rounds_of(folder, 1, "m")
