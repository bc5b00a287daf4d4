"""The tables of a cell: per-sample scores and raw timings, as parquet parts that are merged when the cell completes.

A part is named by its content. Rows that stand in a part and in the merged file (a crash between writing the one and
removing the other) are the same rows, so reading drops the repeats.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from effbench.api import Output, Scores
from effbench.atomic import file_sha256, name_matches_content, save_tensors, write_content_named
from effbench.errors import StoreError
from effbench.inside import Root, check_inside, damaged, files_inside, read_end, store_of
from effbench.legible import legible

if TYPE_CHECKING:
    import pyarrow as pa

MERGED = "merged"
SCORE, ARRAY, SHAPE = "score.", "array.", "shape."
SLICE, THRESHOLD = "slice.", "threshold."
"""How the columns begin that hold a sample's slices, and what was frozen for the training of its row."""
GROUP = "group"
MOST_ROWS, MOST_VALUES, MOST_COLUMNS = 20_000_000, 400_000_000, 10_000
"""Of one table of a cell: a small file can unpack to more than any memory holds."""
MANY_VALUES = 1_000_000
"""From here on a table is read by several threads; of a smaller one that takes longer than the reading."""

_MAYBE = "; a run that writes to the store may just have replaced it"
TRIES = 5
"""Listings of a folder that a run is writing to: parts go as they are merged, once a cell, so that a second one suffices."""

FOOTER_BYTES = 1 << 16
"""Of the end of a part: its footer takes some hundred bytes a column."""

KINDS = {
    **dict.fromkeys(("sample_id", GROUP, SLICE, "batch", "round", "phase", "flags", "machine"), "text"),
    **dict.fromkeys(("seed", "batch_size", "turn", "item", "iteration", "wall_ns"), "integer"),
    **dict.fromkeys(("load_s", "batch_s", THRESHOLD), "measured"),
    **dict.fromkeys((SCORE, "foreign_share", "steal_share", "clock_spread", "load", "throttled"), "number"),
    **dict.fromkeys((ARRAY, SHAPE), "list"),
}
"""What the columns that we read hold; those of scores and arrays by how their names begin."""
PREFIXES = (SCORE, ARRAY, SHAPE, SLICE, THRESHOLD)


def write_part(folder: Path, stem: str, columns: Mapping[str, Any], metadata: Mapping[str, str]) -> Path:
    """Write columns as one parquet part and return its path; raise ``StoreError`` where it cannot be saved."""
    import pyarrow as pa

    table = pa.table(dict(columns))
    return _write(folder, stem, table.replace_schema_metadata(dict(metadata)))


def _write(folder: Path, stem: str, table: pa.Table) -> Path:
    import pyarrow.parquet as pq

    return write_content_named(folder, stem, ".parquet", lambda path: pq.write_table(table, path, compression="zstd"))


def part_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return (intact, damaged) parquet files of a folder, sorted by name; one that leads out of the store is damaged.

    Raises ``StoreError`` where the folder itself leads out.
    """
    root = store_of(folder)
    for _ in range(TRIES):
        files = files_inside(folder, root, "*.parquet")
        try:
            intact = [file for file in files if _is_whole(file, root)]
        except FileNotFoundError:  # merged meanwhile: what it held stands in a file that the listing lacks
            continue
        return intact, [file for file in files if file not in intact]
    raise StoreError(f"{folder}: its files change faster than they can be read")


def _is_whole(file: Path, root: Root) -> bool:
    """Return whether a part holds what its name says; raise ``FileNotFoundError`` where it is gone."""
    try:
        check_inside(file, root)
    except StoreError:
        return False
    return name_matches_content(file)


def named_in(files: Mapping[str, str], folder: str) -> dict[str, str] | None:
    """Return name -> sha256 of the files of a cell's folder among those that its record names (``CellRecord.files``).

    None where it names none of them: parts that were scored against different references are never merged, nor named.
    """
    return {name.partition("/")[2]: sha for name, sha in files.items() if name.startswith(f"{folder}/")} or None


def named_files(folder: Path, named: Mapping[str, str]) -> list[Path]:
    """Return the files of a folder that a record names; raise ``StoreError`` where one is not there or not the same."""
    root = store_of(folder)
    for name, sha in named.items():
        file = folder / name
        try:
            check_inside(file, root)
            found = file_sha256(file)
        except FileNotFoundError:
            raise damaged(file, f"its record names it, and it is not there{_MAYBE}") from None
        if found != sha:
            raise damaged(file, f"its sha256 is not the one in its record{_MAYBE}")
    return [folder / name for name in named]


def may_hold(folder: str, column: str, root: Root, named: Collection[str] | None = None) -> bool:
    """Return whether a part in a folder of a store names a column at its end, where parquet files name them.

    ``named`` are the files that a record names there (``named_in``), else all are looked at. Nothing else is read, so that
    thousands of cells can be asked. True where it cannot be told: whoever reads on sees why.
    """
    try:
        names = named if named is not None else os.listdir(folder)  # noqa: PTH208 - a Path takes longer to make
        parts = [name for name in names if name.endswith(".parquet")]
        ends = [read_end(f"{folder}/{name}", root, FOOTER_BYTES) for name in parts]
    except FileNotFoundError:
        return named is not None
    except (OSError, StoreError):
        return True
    return any(column.encode() in end or not _is_whole_footer(end) for end in ends)


def _is_whole_footer(end: bytes) -> bool:
    """Return whether the end of a parquet file holds all of its footer: that is followed by its length and a mark."""
    return end.endswith(b"PAR1") and int.from_bytes(end[-8:-4], "little") + 8 <= len(end)


def read_part(file: Path, needed: Sequence[str] = ()) -> pa.Table:
    """Return the rows of one part, with the ``needed`` columns in it and every known column of its kind.

    Raises ``StoreError`` where the file is damaged or too large to be a table of ours.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            sizes = opened.metadata
            groups = [sizes.row_group(index) for index in range(sizes.num_row_groups)]
            values = sum(group.column(index).num_values for group in groups for index in range(group.num_columns))
            if sizes.num_rows > MOST_ROWS or values > MOST_VALUES or sizes.num_columns > MOST_COLUMNS:
                raise damaged(file, f"{sizes.num_rows} rows with {values} values are more than a table of a cell holds")
            table = opened.read(use_threads=values > MANY_VALUES)
        if why := _wrong(table, needed):
            raise damaged(file, why)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(file, error) from None
    return table


def _wrong(table: pa.Table, needed: Sequence[str]) -> str:
    """Return what is wrong with a table's columns, or ``""``."""
    import pyarrow as pa

    names = table.column_names
    if len(set(names)) < len(names):
        return "a column stands in it twice"
    if missing := [name for name in needed if name not in names]:
        return f"it has no column {', '.join(missing)}"
    tests = {
        "text": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
        "integer": pa.types.is_integer,
        "number": lambda kind: _is_number(kind) or pa.types.is_null(kind),
        "measured": _is_number,
        "list": lambda kind: pa.types.is_list(kind) and _is_number(kind.value_type),
    }
    for name in names:
        kind = KINDS.get(name) or next((KINDS[start] for start in PREFIXES if name.startswith(start)), "")
        if kind and not tests[kind](table.schema.field(name).type):
            return f"column {name} holds {table.schema.field(name).type}, not {kind}"
        if kind not in ("", "number") and table[name].null_count:
            return f"column {name} has a null"
    return next((why for name in names if name.startswith(ARRAY) and (why := _wrong_shape(table, name))), "")


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _wrong_shape(table: pa.Table, name: str) -> str:
    """Return why the arrays of a column have not the shapes that stand beside them, or ``""``."""
    import pyarrow.compute as pc

    shape = SHAPE + name.removeprefix(ARRAY)
    if shape not in table.column_names:
        return f"column {name} has no column {shape} beside it"
    shapes, lengths = table[shape].to_pylist(), pc.list_value_length(table[name]).to_pylist()
    fits = all(None not in s and min(s, default=0) >= 0 and math.prod(s) == n for s, n in zip(shapes, lengths))
    return "" if fits else f"the arrays of {name} have not the shapes beside them"


def read_parts(
    folder: Path, unique: Sequence[str], needed: Sequence[str] = (), named: Mapping[str, str] | None = None
) -> pa.Table | None:
    """Return all rows of a folder's intact parts, one per combination of the ``unique`` columns and sorted by them.

    A part whose content is not what its name says is left out; with ``named`` (file -> sha256) those files alone are read,
    and none may be missing or changed. Raises ``StoreError`` where one is, or a part cannot be read or lacks one of those
    columns or of the ``needed`` ones.
    """
    import pyarrow as pa

    tables = _tables(folder, (*unique, *needed), named)
    if not tables:
        return None
    try:
        table = pa.concat_tables(tables, promote_options="default")
    except pa.ArrowException as error:
        raise damaged(folder, f"its parts hold other columns than each other: {error}") from None
    keys = list(zip(*(table[name].to_pylist() for name in unique)))
    first: dict[tuple[Any, ...], int] = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    metadata = tables[0].schema.metadata or {}
    return table.take(pa.array([first[key] for key in sorted(first)], pa.int64())).replace_schema_metadata(metadata)


def _tables(folder: Path, needed: Sequence[str], named: Mapping[str, str] | None) -> list[pa.Table]:
    """Return the tables of a folder's parts, of one moment: where a part went while others were read, all are read again."""
    if named is not None:
        return [read_part(file, needed) for file in named_files(folder, named)]
    for tries in range(1, TRIES + 1):
        files, _ = part_files(folder)
        try:
            return [read_part(file, needed) for file in files]
        except StoreError:
            if tries == TRIES or all(file.exists() for file in files):
                raise
    raise AssertionError("the last try returns or raises")


def merge_parts(folder: Path, unique: Sequence[str]) -> Path | None:
    """Write all rows of a folder as one merged file and return it; the parts stay until ``drop_merged_parts``."""
    files, _ = part_files(folder)
    if len(files) == 1 and files[0].name.startswith(f"{MERGED}."):
        return files[0]
    table = read_parts(folder, unique)
    return None if table is None else _write(folder, MERGED, table)


def drop_merged_parts(folder: Path, keep: Path) -> None:
    """Remove the intact parts whose rows stand in ``keep``; damaged files are left for the user to look at."""
    for file in part_files(folder)[0]:
        if file != keep:
            file.unlink()


def metadata_values(folder: Path, key: str) -> set[str]:
    """Return the distinct values of a metadata key over a folder's parts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = set()
    for file in part_files(folder)[0]:
        try:
            value = (pq.read_schema(file).metadata or {}).get(key.encode())
        except (pa.ArrowException, OSError, ValueError) as error:
            raise damaged(file, error) from None
        values.update([value.decode(errors="replace")] if value is not None else [])
    return values


def score_columns(scores: Scores) -> dict[str, Any]:
    """Return a batch's scores as parquet columns: ``score.<name>``, and ``array.<name>`` with ``shape.<name>``."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name, values in scores.scalars.items():
        columns[SCORE + name] = pa.array(np.asarray(values, np.float64), from_pandas=False)
    for name, arrays in scores.arrays.items():
        flat = [np.ravel(array) for array in arrays]
        columns[ARRAY + name] = pa.array(flat, pa.list_(pa.from_numpy_dtype(np.result_type(*flat))))
        columns[SHAPE + name] = pa.array([list(np.shape(array)) for array in arrays], pa.list_(pa.int64()))
    return columns


def scores_of(table: pa.Table) -> Scores:
    """Return the scores that stand in a table of samples, with their slices and thresholds; what a part lacks is NaN."""
    scalars, arrays, thresholds, slices = {}, {}, {}, {}
    for name in table.column_names:
        if name.startswith(SCORE):
            scalars[name.removeprefix(SCORE)] = table[name].cast("double").to_numpy()
        elif name.startswith(ARRAY):
            plain = name.removeprefix(ARRAY)
            shapes = table[SHAPE + plain].to_pylist()
            values = table[name].combine_chunks()
            arrays[plain] = [np.asarray(v.values).reshape(s) for v, s in zip(values, shapes)]
        elif name.startswith(THRESHOLD):
            thresholds[name.removeprefix(THRESHOLD)] = table[name].cast("double").to_numpy()
        elif name.startswith(SLICE):
            slices[name.removeprefix(SLICE)] = table[name].to_pylist()
    return Scores(scalars, arrays, thresholds, slices)


def groups_of(table: pa.Table) -> list[str]:
    """Return the group of each row, its sample's id in a store that knows no groups (before schema 3)."""
    column: list[str] = table[GROUP if GROUP in table.column_names else "sample_id"].to_pylist()
    return column


def write_outputs(
    folder: Path,
    stem: str,
    ids: Sequence[str],
    seed: int,
    outputs: Sequence[Output],
    captions: Sequence[str] | None = None,
) -> Path:
    """Write a batch's outputs losslessly as one safetensors file and return its path; ``captions`` are for readers."""
    tensors = {
        f"{row}/{name}": np.asarray(array, order="C")
        for row, output in enumerate(outputs)
        for name, array in output.items()
    }
    header = {"seed": str(seed), "ids": json.dumps(list(ids)), "captions": json.dumps(list(captions or ids))}
    return write_content_named(folder, stem, ".safetensors", lambda path: save_tensors(tensors, path, header))


class KeptOutputs:
    """The kept outputs of a cell, read sample by sample; built from the headers alone.

    Raises ``StoreError`` where a header is damaged, and on reading where a file's content is not what its name says. With
    ``skip_damaged`` such a file keeps nothing instead: the runner makes its outputs again.
    """

    def __init__(self, folder: Path, *, skip_damaged: bool = False) -> None:
        self._place: dict[tuple[str, int], tuple[Path, int]] = {}
        self.captions: dict[tuple[str, int], str] = {}
        """(sample id, seed) of every kept output -> what a reader is told about it."""
        self._intact: set[Path] = set()
        root = store_of(folder)
        for file in files_inside(folder, root, "*.safetensors"):
            try:
                check_inside(file, root)
                ids, seed, captions = _header_of(file)
            except StoreError:
                if skip_damaged:
                    continue
                raise
            for row, (sample_id, caption) in enumerate(zip(ids, captions)):
                self._place[sample_id, seed] = file, row
                self.captions[sample_id, seed] = legible(caption)

    def has(self, sample_id: str, seed: int) -> bool:
        """Return whether the output of a sample is kept."""
        return (sample_id, seed) in self._place

    def forms(self, sample_id: str, seed: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Return name -> (dtype, shape) of the arrays of a kept output, without reading them."""
        file, row = self._place[sample_id, seed]
        with _opened(file) as opened:
            arrays = {name: opened.get_slice(f"{row}/{name}") for name in _names(opened, row)}
            return {name: (_dtype(array.get_dtype()), tuple(array.get_shape())) for name, array in arrays.items()}

    def batch(self, ids: Sequence[str], seed: int, only: Collection[str] | None = None) -> list[Output] | None:
        """Return the outputs of the samples, or None where one of them is not kept; ``only`` names the arrays to read."""
        if not all(self.has(sample_id, seed) for sample_id in ids):
            return None
        outputs: list[Output] = []
        for sample_id in ids:
            file, row = self._place[sample_id, seed]
            if file not in self._intact and not name_matches_content(file):
                raise damaged(file, "its content is not what its name says")
            self._intact.add(file)
            with _opened(file) as opened:
                names = [name for name in _names(opened, row) if only is None or name in only]
                outputs.append({name: opened.get_tensor(f"{row}/{name}") for name in names})
        return outputs


def _dtype(stored: str) -> str:
    """Return a dtype of safetensors as numpy calls it: ``uint8`` for ``U8``."""
    words = {"U": "uint", "I": "int", "F": "float"}
    return words[stored[0]] + stored[1:] if stored[:1] in words else stored.lower()


def _names(opened: Any, row: int) -> list[str]:
    prefix = f"{row}/"
    return [key.removeprefix(prefix) for key in opened.keys() if key.startswith(prefix)]  # noqa: SIM118 - not a mapping


def _header_of(file: Path) -> tuple[list[str], int, list[str]]:
    """Return (sample ids, seed, captions) of a file of outputs."""
    with _opened(file) as opened:
        header = opened.metadata() or {}
        ids, seed = json.loads(header["ids"]), int(header["seed"])
        captions = json.loads(header.get("captions", header["ids"]))  # older stores have none
    texts = [ids, captions]
    if not all(isinstance(found, list) and all(isinstance(text, str) for text in found) for found in texts):
        raise damaged(file, "its header holds no list of sample ids with their captions")
    if len(ids) != len(captions):
        raise damaged(file, f"its header holds {len(ids)} sample ids and {len(captions)} captions")
    return ids, seed, captions


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open a safetensors file; raise ``StoreError`` where it, or what is read of it inside, is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "numpy") as opened:
            yield opened
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise damaged(file, error) from None
