"""Prompt files: what stands in a file is what is evaluated, or one sentence says where it is not."""

import csv
import io
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effbench.api import PluginError
from effbench.tasks.diffusion import prompts as module
from effbench.tasks.diffusion.prompts import PromptSource, load_prompts


def read(file, **how):
    """Return id -> prompt of a file in the order of its rows, both splits together."""
    source = PromptSource(source=str(file), **how)
    found = {s.id: s.data["prompt"] for split in ("calibration", "evaluation") for s in load_prompts(source, split)}
    return dict(sorted(found.items()))


def refused(file, **how):
    with pytest.raises(PluginError) as said:
        read(file, **how)
    assert "\n" not in str(said.value)
    return str(said.value)


def csv_bytes(header, rows, **how):
    text = io.StringIO(newline="")
    csv.writer(text, **how).writerows([header, *rows])
    return text.getvalue().encode()


WRITERS = {
    ".csv": lambda texts: csv_bytes(["id", "prompt"], enumerate(texts)),
    ".json": lambda texts: json.dumps(
        [{"id": i, "prompt": t} for i, t in enumerate(texts)], ensure_ascii=False
    ).encode(),
    ".jsonl": lambda texts: "".join(json.dumps({"id": i, "prompt": t}) + "\n" for i, t in enumerate(texts)).encode(),
}
TRAPS = st.sampled_from(
    ["None", "NA", "null", "nan", "001", "1e3", "no", "a, b", '"', "\u2028", "\x85", "\x1c", "\ufeff", " x "]
)
PROMPTS = st.lists(st.text(min_size=1) | TRAPS, min_size=2, max_size=8)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("ending", WRITERS)
def test_any_prompts_come_back_as_they_were_written(ending, tmp_path):
    @QUICK
    @given(PROMPTS.map(lambda texts: [t for t in texts if t.strip() and (ending != ".csv" or "\0" not in t)]))
    def holds(texts):
        if len(texts) < 2:
            return
        file = tmp_path / f"p{ending}"
        file.write_bytes(WRITERS[ending](texts))
        assert read(file, id_column="id") == {f"p-{i}": text for i, text in enumerate(texts)}

    holds()


def test_any_lines_come_back_as_they_were_written(tmp_path):
    line = st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), min_size=1) | TRAPS

    @QUICK
    @given(
        st.lists(line, min_size=2, max_size=8), st.sampled_from(["\n", "\r\n"]), st.sampled_from([b"", b"\xef\xbb\xbf"])
    )
    def holds(lines, end, mark):
        lines = [text for text in lines if text.strip()]
        if len(lines) < 2 or (not mark and lines[0].startswith("\ufeff")):
            return
        file = tmp_path / "p.txt"
        file.write_bytes(mark + end.join([*lines, ""]).encode())
        assert read(file) == {f"p-{n:05d}": text for n, text in enumerate(lines, 1)}

    holds()


def test_none_and_001_are_words_in_a_csv_file(tmp_path):
    """The case csv-none-is-dropped."""
    words = ["None", "null", "NA", "N/A", "nan", "a dog", "a cat"]
    (tmp_path / "p.csv").write_text("prompt\n" + "\n".join(words) + "\n")
    assert list(read(tmp_path / "p.csv").values()) == words
    (tmp_path / "ids.csv").write_text("id,prompt\n001,a\n002,b\n1,c\n")
    assert read(tmp_path / "ids.csv", id_column="id") == {"ids-001": "a", "ids-002": "b", "ids-1": "c"}


def test_lines_end_where_editors_end_them_and_ids_are_their_numbers(tmp_path):
    """The case txt-lines-and-bom."""
    file = tmp_path / "p.txt"
    file.write_bytes("\ufeffa red\u2028fox\na blue bird\r\n \na cat\x85nap\na dog".encode())
    assert read(file) == {
        "p-00001": "a red\u2028fox",
        "p-00002": "a blue bird",
        "p-00004": "a cat\x85nap",
        "p-00005": "a dog",
    }


COMMAS = "row 1 (line 2) has 2 fields under 1 column; put a field that holds a comma into double quotes"


@pytest.mark.parametrize(
    ("ending", "content", "said"),
    [
        pytest.param(".csv", b"prompt\na dog, with hat\na cat\n", COMMAS, id="the case csv-unquoted-commas"),
        (".csv", b"id,prompt\n1,a\n2\n", "row 2 (line 3) has 1 field under 2 columns"),
        (".csv", b'prompt\na\n"two\nlines"\nb,c\n', "row 3 (line 5) has 2 fields"),
        (".csv", b'prompt\na\n"b\nc\n', "the row that begins in line 3 is not CSV: a quote that is never closed"),
        (".csv", b'prompt\na\n"b" c\n', "line 3 is not CSV"),
        (".csv", b"prompt\na\nb\rc\n", "line 3 is not CSV: new-line character seen in unquoted field"),
        (".csv", b"prompt,prompt\na,b\n", "2 columns are called 'prompt'"),
        (".csv", b"id; prompt\n1;a\n", "has no column 'prompt'; it has 'id; prompt'"),
        (".csv", b'id,prompt\n1,a\n2,""\n3,b\n', "row 2 (line 3): the prompt is empty"),
        (".csv", "prompt\na\ncafé\n".encode("latin-1"), "line 3 holds the byte 0xe9, which is not UTF-8"),
        (".csv", "prompt\na\nb\n".encode("utf-16"), "is in UTF-16; save it as UTF-8"),
        (".txt", "a\nb\n".encode("utf-16-le"), "line 1 holds a NUL character"),
        (".txt", b"a\rb\rc\r", "line 1 holds a carriage return that ends no line"),
        (".json", b'[{"prompt": "a"}, {"prompt": 5}]', "row 2: the prompt is the number 5 and not text"),
        (".json", b'[{"prompt": "a"}, {"prompt": true}]', "row 2: the prompt is the truth value True"),
        (".json", b'[{"prompt": "a"}, {"prompt": null}]', "row 2: the prompt is null"),
        (".json", b'[{"prompt": "a"}, {"prompt": ["b"]}]', "row 2: the prompt is of type list"),
        (".json", b'[{"prompt": "a"}, {"prompt": "b\\ud800"}]', "half of a character"),
        (".json", b'[{"prompt": "a", "prompt": "b"}]', "the key 'prompt' stands twice"),
        (".json", b'["a", "b"]', "row 1 is not an object"),
        (".json", b"[" * 100000, "is not JSON"),
        (".jsonl", b'{"prompt": "a"}\n{"prompt": "b"} {"prompt": "c"}\n', "line 2: is not JSON"),
        (".jsonl", b'{"prompt": "a"}\n\n{"text": "b"}\n', "line 3: has no column 'prompt'; it has 'text'"),
        (".yaml", b"- a\n", "no kind of file that is read; those are .txt"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_whole_is_refused_with_its_place(ending, content, said, tmp_path):
    file = tmp_path / f"p{ending}"
    file.write_bytes(content)
    assert said in refused(file)


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ('[1, "1"]', "row 2: has the id '1', which row 1 has too"),
        ("[1, 1.0]", "row 2: the id is the number 1.0"),
        ("[1, true]", "row 2: the id is the truth value True"),
        ("[1, null]", "row 2: the id is null"),
        ('[1, " "]', "row 2: the id is empty"),
        ('["a", "b\\nc"]', "holds a character that cannot be printed"),
    ],
)
def test_ids_that_could_be_confused_are_refused(ids, said, tmp_path):
    rows = [{"id": key, "prompt": "a"} for key in json.loads(ids)]
    (tmp_path / "p.json").write_text(json.dumps(rows))
    assert said in refused(tmp_path / "p.json", id_column="id")


def test_quotes_and_line_ends_inside_a_field_stay(tmp_path):
    file = tmp_path / "p.CSV"
    file.write_bytes(b'\xef\xbb\xbfprompt\r\n"a ""big"" dog, wet"\r\n\r\n"two\r\nlines"\r\n"a\rb"\r\na 6" pipe\r\n')
    assert list(read(file).values()) == ['a "big" dog, wet', "two\r\nlines", "a\rb", 'a 6" pipe']
    file.write_bytes(b"prompt\ra\rb\r")
    assert list(read(file).values()) == ["a", "b"]


def test_captions_in_cocos_form_keep_cocos_ids(tmp_path):
    rows = [{"id": 7, "image_id": 1, "caption": "a dog"}, {"id": 42, "image_id": 1, "caption": "None"}]
    (tmp_path / "c.json").write_text(json.dumps({"images": [], "annotations": rows}))
    assert read(tmp_path / "c.json") == {"c-42": "None", "c-7": "a dog"}
    assert read(tmp_path / "c.json", column="caption", id_column="id") == {"c-42": "None", "c-7": "a dog"}


def test_parquet_is_text_or_refused(tmp_path):
    file = tmp_path / "p.parquet"
    pq.write_table(pa.table({"id": ["001", "1"], "prompt": ["None", "a\u2028b"], "n": [1, 2]}), file)
    assert read(file, id_column="id") == {"p-001": "None", "p-1": "a\u2028b"}
    assert "the prompt is the number 1" in refused(file, column="n")
    assert "has no column 'text'; it has 'id', 'prompt', 'n'" in refused(file, column="text")
    file.write_bytes(file.read_bytes()[:-20])
    assert "cannot be read" in refused(file)


def test_text_files_of_a_data_set_are_read_by_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.csv").write_text("id,prompt\n001,None\n002,2020-01-01\n")
    assert read(folder, id_column="id") == {"set-001": "None", "set-002": "2020-01-01"}
    assert re.search("has no split 'test'; it has train", refused(folder, split="test"))


def test_a_folder_whose_files_are_not_all_taken_is_refused(tmp_path, monkeypatch):
    """Of files without a split's name ``datasets`` takes one kind and leaves the others out without a word."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a.csv").write_text("prompt\na\nb\n")
    (folder / "dataset_infos.json").write_text("{}")
    monkeypatch.chdir(folder)
    assert read(".") == {"set-00000": "a", "set-00001": "b"}
    for name, content in (("b.json", '[{"prompt": "c"}]'), ("b.txt", "c\n")):
        (folder / name).write_text(content)
        assert "would be left out" in refused(folder)
        (folder / name).unlink()
    pq.write_table(pa.table({"prompt": ["c", "d"]}), folder / "b.parquet")
    assert "would be left out" in refused(folder)


def test_a_data_set_of_the_hub_may_have_rows_without_text_and_the_others_keep_their_numbers():
    rows = [
        module.PromptRow(f"{i:05d}", f"row {i + 1}", {"prompt": text}) for i, text in enumerate(["a", None, " ", "b"])
    ]
    given_ = PromptSource(source="owner/name", revision="c" * 40)
    assert module._named(rows, given_, "name", may_lack_text=True) == [("name-00000", "a"), ("name-00003", "b")]
    with pytest.raises(PluginError, match="row 2: the prompt is null"):
        module._named(rows, given_, "name", may_lack_text=False)


def test_a_name_too_long_for_a_path_is_one_sentence():
    assert "neither a list of ours" in refused("x" * 5000)
    assert "neither a list of ours" in refused("x" * 5000 + ".txt")
