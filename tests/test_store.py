"""Reading and writing stores: old schema, damage, foreign folders, size."""

import gc
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from effbench.api import Artifact
from effbench.artifacts import Prepared, read_artifact, write_artifact
from effbench.errors import StoreError
from effbench.parts import read_parts
from effbench.store import SAMPLE_KEY, Store, read_store

FROZEN = Path(__file__).parent / "assets" / "store-v1"


def test_a_store_of_schema_1_is_read_with_its_numbers():
    view = read_store(FROZEN)
    assert view.suite == "frozen"
    assert [(c.method_id, c.status) for c in view.cells] == [("reference", "complete"), ("toy-momentum", "complete")]
    gap = [next(n.value for n in c.numbers if n.name == "gap") for c in view.cells]
    assert gap == [-0.5599036793155855, -0.6445206889098022]
    assert all(Store(FROZEN).cell(c.id).is_intact(c) for c in view.cells)


def test_a_changed_file_is_noticed(tmp_path):
    store = shutil.copytree(FROZEN, tmp_path / "store")
    (cell, _) = read_store(store).cells
    part = next((store / "cells" / cell.id / "samples").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1] + b"X")
    assert not Store(store).cell(cell.id).is_intact(cell)


@pytest.mark.parametrize("file", ["plan.json", "suite.lock.yaml", "cell"])
def test_damage_is_one_sentence(tmp_path, file):
    store = shutil.copytree(FROZEN, tmp_path / "store")
    path = next(store.glob("cells/*/cell.json")) if file == "cell" else store / file
    path.write_text("{broken: [")
    with pytest.raises(StoreError) as caught:
        read_store(store)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)
    assert gc.isenabled()  # reading keeps it off


@pytest.fixture
def store(tmp_path):
    return shutil.copytree(FROZEN, tmp_path / "store")


CELL = "cells/338f4f2abd7a58c8"
MACHINE = "machine/5138cfd626cd.json"
DAMAGE = [
    (MACHINE, b"", "EOF"),  # the first five are the case damaged-store
    ("plan.json", b'[{"id": "x"}]', "[0].id"),
    ("suite.lock.yaml", b"schema: effbench/store/1\n", "suite"),
    ("suite.lock.yaml", b"\xff\xfe", "not UTF-8"),
    (MACHINE, b"[1]", "object"),
    (MACHINE, b'{"cpu_model": [], "cores": 2}', "cpu_model"),
    (MACHINE, b'{"memory_gb": Infinity}', "memory_gb"),
    ("plan.json", b'{"id": 3}', "array"),
    ("plan.json", b"[" * 100_000, "recursion"),
    ("plan.json", b'[{"id": "338f4f2abd7a58c8", "task": "t"}]', "[0].method"),
    ("plan.json", json.dumps([{"id": "338f4f2abd7a58c8", "task": "t", "method": "m"}] * 2).encode(), "twice"),
    ("plan.json", b'[{"id": "../../elsewhere", "task": "t", "method": "m"}]', "[0].id"),
    ("suite.lock.yaml", b"schema: effbench/store/1\nsuite: {name: 3}\n", "suite.name"),
    ("suite.lock.yaml", b"schema: effbench/store/1\nsuite: {name: x, stats: {ci: wide}}\n", "suite.stats.ci"),
    ("suite.lock.yaml", b"schema: effbench/store/1\nsuite: !!python/object:os.x {}\n", "tag"),
    (f"{CELL}/cell.json", b"{}", "Field required"),
]


@pytest.mark.parametrize(("name", "content", "said"), DAMAGE)
def test_each_damaged_file_is_named_with_what_is_wrong_in_one_sentence(store, name, content, said):
    (store / name).write_bytes(content)
    with pytest.raises(StoreError) as caught:
        read_store(store)
    sentence = str(caught.value)
    assert name in sentence and said in sentence and "\n" not in sentence and len(sentence) < 400


CLAIM = {"metric": "speed", "value": 2.0, "unit": "x", "setting": "", "source": ""}


def _deep(levels):
    """Return nested mappings of so many levels."""
    return {"a": _deep(levels - 1)} if levels else {}


RECORD_DAMAGE = [
    (lambda r: r | {"id": "f" * 16}, "it is the record of cell f"),
    (lambda r: r | {"id": "../../../../etc"}, "record of cell ../"),
    (lambda r: r | {"reference_cell": "../../x"}, "is no cell's id"),
    (lambda r: r | {"claims": [{"metric": "speed"}]}, "claims[0].value"),
    (lambda r: r | {"numbers": [r["numbers"][0] | {"value": float("-inf")}]}, "is -inf"),
    (lambda r: r | {"numbers": [r["numbers"][0] | {"ci_low": float("nan")}]}, "is nan"),
    (lambda r: r | {"n_samples": 10**30}, "n_samples"),
    (lambda r: r | {"identity": r["identity"] | {"task_params": {"deep": [{"x": float("nan")}]}}}, "x is nan"),
    (lambda r: r | {"identity": r["identity"] | {"chain": [{"use": "m", "passed": {"p": float("inf")}}]}}, "p is inf"),
    (lambda r: r | {"claims": [CLAIM | {"holds_for": {"steps": float("-inf")}}]}, "steps is -inf"),
    (lambda r: r | {"claims": [CLAIM | {"value": float("nan")}]}, "is nan"),
    (lambda r: r | {"identity": r["identity"] | {"task_params": _deep(300)}}, "recursion limit"),
    (lambda r: r | {"seeds": [10**400]}, "seeds[0]"),
    (lambda r: r | {"order": -1}, "order"),
]


@pytest.mark.parametrize(("change", "said"), RECORD_DAMAGE)
def test_a_record_that_cannot_be_is_refused(store, change, said):
    file = store / CELL / "cell.json"
    file.write_text(json.dumps(change(json.loads(file.read_bytes()))))
    with pytest.raises(StoreError) as caught:
        read_store(store)
    assert said in str(caught.value) and str(file) in str(caught.value)


def _pipe(file):
    os.mkfifo(file)


def _terabyte(file):
    with file.open("wb") as opened:
        opened.truncate(1 << 40)


@pytest.mark.parametrize("name", ["plan.json", "suite.lock.yaml", MACHINE, f"{CELL}/cell.json"])
@pytest.mark.parametrize(
    ("put", "said"),
    [
        (Path.mkdir, "stands where a file should"),
        (_pipe, "stands where a file should"),
        (_terabyte, "bytes"),
        (lambda file: file.symlink_to(file.with_name("nowhere")), "leads nowhere"),
        (lambda file: file.symlink_to("/dev/zero"), "leads out of its store"),
    ],
)
def test_what_is_no_file_of_the_store_is_refused_at_once(store, name, put, said):
    (store / name).unlink()
    put(store / name)
    with pytest.raises(StoreError) as caught:
        read_store(store)
    assert name in str(caught.value) and said in str(caught.value)


@pytest.mark.parametrize("name", [CELL, "cells", f"{CELL}/samples", f"{CELL}/cell.json", "machine"])
def test_a_link_out_of_the_store_is_never_followed_and_one_inside_is(store, tmp_path, name):
    outside = tmp_path / "outside" / Path(name).name
    outside.parent.mkdir()
    (store / name).rename(outside)
    (store / name).symlink_to(outside)
    with pytest.raises(StoreError, match="leads out of its store"):
        read_parts(store / name, SAMPLE_KEY) if name.endswith("samples") else read_store(store)
    if not name.endswith(".json"):  # a file that is written replaces the link itself
        with pytest.raises(StoreError, match="leads out of the store, so it is not written to"):
            Store(store).open({"name": "frozen"}, [{"id": Path(CELL).name, "task": "t", "method": "m"}])
    (store / name).unlink()
    outside.rename(store / "kept")
    (store / name).symlink_to(store / "kept")
    assert len(read_store(store).cells) == 2
    if name.endswith("samples"):
        assert read_parts(store / name, SAMPLE_KEY).num_rows == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_a_sentence(store):
    (store / "plan.json").chmod(0)
    with pytest.raises(StoreError, match="cannot be read: Permission denied"):
        read_store(store)


JOB = {
    "status": "done",
    "code_version": "c",
    "attempt": {"job": "memory", "status": "done", "started_utc": "", "seconds": 1},
}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "EOF"),
        (b"[]", "object"),
        (b'{"status": "done"}', "code_version"),
        (json.dumps(JOB | {"data": {"peak_rss": "much"}}).encode(), "data.peak_rss"),
        (json.dumps(JOB | {"data": {}}).encode(), "has no peak_rss"),
        (json.dumps(JOB | {"status": "failed", "data": {}}).encode(), "it is failed"),
    ],
)
def test_a_damaged_job_result_is_one_sentence(store, content, said):
    file = store / CELL / "jobs" / "memory.json"
    file.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        Store(store).cell(Path(CELL).name).job("memory")
    assert said in str(caught.value) and "memory.json: damaged" in str(caught.value)


def test_a_run_says_of_a_damaged_machine_file_what_a_report_says(store):
    (store / MACHINE).write_bytes(b"")
    with pytest.raises(StoreError, match=r"5138cfd626cd\.json: damaged"):
        Store(store).write_machine("5138cfd626cd", {"cores": 2})


def test_an_artifact_comes_back_with_its_numbers_as_keys_and_damage_is_a_sentence(tmp_path):
    folder = Store(tmp_path / "s").cell("a" * 16)
    config = {0: "first", "scale": float("inf"), "on": True}
    path = folder.artifact_of(None)

    def read():
        return read_artifact(path, folder.root)

    write_artifact(path, [Prepared(Artifact({"x": np.ones(2)}, config))])
    assert read()[0][0].artifact.config == config
    (file,) = folder.artifact_folder.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1] + b"X")
    with pytest.raises(StoreError, match="not what its name says"):
        read()
    file.unlink()
    with pytest.raises(StoreError, match="0 files of tensors"):
        read()
    for text in ("{a: 1}", "- [", "- !!python/object:os.x {}", "[" * 5000):
        (folder.artifact_folder / "plan.yaml").write_text(text)
        with pytest.raises(StoreError, match=r"plan\.yaml: damaged"):
            read()


def test_control_and_direction_characters_of_a_store_are_read_as_escapes(store):
    file = store / CELL / "cell.json"
    record = json.loads(file.read_bytes()) | {"method_id": "toy\x1b[31m \u202eexe", "task_id": "a\x9b\u2028b é🙂\u200d"}
    for text in (json.dumps(record), json.dumps(record, ensure_ascii=False)):
        file.write_text(text)
        cell = next(cell for cell in read_store(store).cells if cell.id in CELL)
        assert cell.method_id == r"toy\x1b[31m \u202eexe" and cell.task_id == "a\\x9b\\u2028b é🙂\u200d"


def test_no_name_in_a_store_breaks_a_line(store):
    """A method called so could else print a line of its own under a table: that its numbers were verified, say."""
    forged = "fast\nNumbers of fast verified by EffBench.\tyes"
    file = store / CELL / "cell.json"
    record = json.loads(file.read_bytes())
    number = record["numbers"][0] | {"name": forged, "unit": forged}
    rest = {"method_id": forged, "task_id": forged, "suite": forged, "subset": forged, "verified_by": forged}
    file.write_text(json.dumps(record | rest | {"numbers": [number], "certificate": [forged]}))
    plan = json.loads((store / "plan.json").read_bytes())
    (store / "plan.json").write_text(json.dumps([*plan, {"id": "0" * 16, "task": forged, "method": forged}]))
    (store / MACHINE).write_text(json.dumps({"cpu_model": forged}))
    lock = store / "suite.lock.yaml"
    lock.write_text(lock.read_text().replace("name: frozen", f"name: {json.dumps(forged)}"))
    view = read_store(store)
    cell = next(cell for cell in view.cells if cell.id in CELL)
    found = [cell.method_id, cell.task_id, cell.suite, cell.subset, cell.verified_by, *cell.certificate, view.suite]
    found += [
        cell.numbers[0].name,
        cell.numbers[0].unit,
        *view.unfinished,
        view.machines[Path(MACHINE).stem]["cpu_model"],
    ]
    assert all(forged.replace("\n", r"\n").replace("\t", r"\t") in text and text.isprintable() for text in found)


def test_another_schema_is_named(tmp_path):
    store = shutil.copytree(FROZEN, tmp_path / "store")
    lock = store / "suite.lock.yaml"
    lock.write_text(lock.read_text().replace("effbench/store/1", "effbench/store/0"))
    with pytest.raises(StoreError, match="effbench/store/0"):
        read_store(store)


def test_a_folder_that_is_not_a_store_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(StoreError, match="not an EffBench store"):
        Store(tmp_path).open({"name": "x"}, [])
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_second_writer_is_refused(tmp_path):
    first = Store(tmp_path / "store")
    first.open({"name": "x"}, [])
    with pytest.raises(StoreError, match="another run"):
        Store(tmp_path / "store").open({"name": "x"}, [])
    first.close()
    again = Store(tmp_path / "store")
    again.open({"name": "x"}, [])
    again.close()


@pytest.mark.timing
def test_reading_ten_thousand_cells_takes_under_two_seconds(tmp_path):
    store = shutil.copytree(FROZEN, tmp_path / "store")
    record = next(store.glob("cells/*/cell.json")).read_text()
    first = json.loads(record)["id"]
    plan = []
    for number in range(10_000):
        cell_id = f"{number:016x}"
        folder = store / "cells" / cell_id
        folder.mkdir()
        (folder / "cell.json").write_text(record.replace(first, cell_id))
        plan.append({"id": cell_id, "task": "minimise", "method": f"m{number}"})
    (store / "plan.json").write_text(json.dumps(plan))
    seconds = []
    for _ in range(3):
        started = time.process_time()  # CPU seconds: other programs may run beside this one
        assert len(read_store(store).cells) == 10_000
        seconds.append(time.process_time() - started)
    print(f"10,000 cells in {min(seconds):.2f} s")
    assert min(seconds) < 2.0


def test_a_machine_keeps_its_peaks_when_a_later_run_does_not_know_them(tmp_path):
    store = Store(tmp_path / "store")
    file = store.path / "machine" / "m.json"
    store.write_machine("m", {"cores": 2, "calibration": {"bandwidth_gb_s": 20.0}})
    store.write_machine("m", {"cores": 2})
    assert json.loads(file.read_bytes()) == {"cores": 2, "calibration": {"bandwidth_gb_s": 20.0}}
