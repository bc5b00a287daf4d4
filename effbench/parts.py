"""The tables of a cell: per-sample scores and raw timings, as parquet parts that are merged when the cell completes.

A part is named by its content. Rows that stand in a part and in the merged file (a crash between writing the one and
removing the other) are the same rows, so reading drops the repeats.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from effbench.api import Output, Scores
from effbench.atomic import name_matches_content, save_tensors, write_content_named

if TYPE_CHECKING:
    import pyarrow as pa

MERGED = "merged"
SCORE, ARRAY, SHAPE = "score.", "array.", "shape."


def write_part(folder: Path, stem: str, columns: Mapping[str, Any], metadata: Mapping[str, str]) -> Path:
    """Write columns as one parquet part and return its path; raise ``StoreError`` where it cannot be saved."""
    import pyarrow as pa

    table = pa.table(dict(columns))
    return _write(folder, stem, table.replace_schema_metadata(dict(metadata)))


def _write(folder: Path, stem: str, table: pa.Table) -> Path:
    import pyarrow.parquet as pq

    return write_content_named(folder, stem, ".parquet", lambda path: pq.write_table(table, path, compression="zstd"))


def part_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return (intact, damaged) parquet files of a folder, sorted by name."""
    files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    intact = [file for file in files if name_matches_content(file)]
    return intact, [file for file in files if file not in intact]


def read_parts(folder: Path, unique: Sequence[str]) -> pa.Table | None:
    """Return all rows of a folder's intact parts, one per combination of the ``unique`` columns and sorted by them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files, _ = part_files(folder)
    if not files:
        return None
    tables = [pq.read_table(file) for file in files]
    table = pa.concat_tables(tables, promote_options="default")
    keys = list(zip(*(table[name].to_pylist() for name in unique)))
    first: dict[tuple[Any, ...], int] = {}
    for row, key in enumerate(keys):
        first.setdefault(key, row)
    metadata = tables[0].schema.metadata or {}
    return table.take(pa.array([first[key] for key in sorted(first)], pa.int64())).replace_schema_metadata(metadata)


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
    import pyarrow.parquet as pq

    values = set()
    for file in part_files(folder)[0]:
        value = (pq.read_schema(file).metadata or {}).get(key.encode())
        values.update([value.decode()] if value is not None else [])
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
    """Return the scores that stand in a table written with ``score_columns``; a score missing in a part is NaN."""
    scalars, arrays = {}, {}
    for name in table.column_names:
        if name.startswith(SCORE):
            scalars[name.removeprefix(SCORE)] = table[name].to_numpy().astype(np.float64)
        elif name.startswith(ARRAY):
            plain = name.removeprefix(ARRAY)
            shapes = table[SHAPE + plain].to_pylist()
            values = table[name].combine_chunks()
            arrays[plain] = [np.asarray(v.values).reshape(s) for v, s in zip(values, shapes)]
    return Scores(scalars, arrays)


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
    """The kept outputs of a cell, read sample by sample; built from the headers alone."""

    def __init__(self, folder: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self._place: dict[tuple[str, int], tuple[Path, int]] = {}
        self.captions: dict[tuple[str, int], str] = {}
        """(sample id, seed) of every kept output -> what a reader is told about it."""
        for file in sorted(folder.glob("*.safetensors")) if folder.is_dir() else []:
            try:
                with safe_open(file, "numpy") as opened:
                    header = opened.metadata()
                ids, seed = json.loads(header["ids"]), int(header["seed"])
                captions = json.loads(header.get("captions", header["ids"]))  # older stores have none
            except (SafetensorError, OSError, TypeError, KeyError, ValueError):
                continue  # a damaged file keeps nothing; the runner sets it aside and makes its outputs again
            for row, (sample_id, caption) in enumerate(zip(ids, captions, strict=True)):
                self._place[sample_id, seed] = file, row
                self.captions[sample_id, seed] = caption

    def has(self, sample_id: str, seed: int) -> bool:
        """Return whether the output of a sample is kept."""
        return (sample_id, seed) in self._place

    def batch(self, ids: Sequence[str], seed: int) -> list[Output] | None:
        """Return the outputs of the samples, or None where one of them is not kept."""
        from safetensors import safe_open

        if not all(self.has(sample_id, seed) for sample_id in ids):
            return None
        outputs: list[Output] = []
        for sample_id in ids:
            file, row = self._place[sample_id, seed]
            with safe_open(file, "numpy") as opened:
                prefix = f"{row}/"
                names = [key for key in opened.keys() if key.startswith(prefix)]  # noqa: SIM118 - not a mapping
                outputs.append({name.removeprefix(prefix): opened.get_tensor(name) for name in names})
        return outputs
