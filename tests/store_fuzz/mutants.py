"""Seeded damage and malice: what a disk, a person, another program or an attacker may make of the files of a store."""

from __future__ import annotations

import contextlib
import json
import os
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from effbench.atomic import file_sha256

RAW = {"NaN": "@nan@", "Infinity": "@inf@", "-1e999": "@big@"}
"""What JSON text may hold although no value of Python writes it so: token -> what stands for it until it is written."""

TEXTS = (
    "", "x", "../../outside/secret", "/etc/passwd", "..", "a/b", "a\0b", "\ud800", "<script>alert(1)</script>",
    "<img src=http://evil.example/x.png>", "[x](javascript:alert(1))", "![p](http://evil.example/p.png)", "`</td>`",
    '" onload="alert(1)', "=1+1", "+cmd|' /C calc'!A0", "@SUM(A1)", "\x1b[31mred\x1b]8;;http://evil.example\x07", "\x9b2J",
    "\u202eexe.txt", "a\r\nb", "$\\frac{", "\\input{/etc/passwd}", "[bold]x[/nothing]", "%{customdata}", "n" * 3000, "data:x",
    "www.evil.example", "100%", "_x", "é×🙂", "{0.__class__}", "complete", "simulated", "A", "pass", "r001",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e-320, 1e308, -1e308, 1e20, 2**31, 2**63, 2**64, 10**400, [], {}, [None],
    [[[]]], {"": None}, [0, 0], "0", *RAW.values(), *TEXTS,
)  # fmt: skip
YAML_LINES = (
    "a: &a [" + "x," * 9 + "]\n" + "".join(f"{b}: &{b} [" + f"*{a}," * 9 + "]\n" for a, b in pairwise("abcdefgh")),
    "suite: !!python/object/apply:os.system ['true']\n", "? [a, b]\n: c\n", "[" * 3000, "suite: &s {name: *s}\n", "\x07",
    "schema: effbench/store/1\n", "schema: effbench/store/9\nsuite: {name: x}\n", "suite: !!timestamp 2026-99-99\n",
    "schema: effbench/store/1\nsuite: [1, 2]\n", "schema: effbench/store/1\nsuite: {name: 3}\n", "--- a\n--- b\n",
)  # fmt: skip

Mutation = Callable[[random.Random, Path, Path], str]


def mutate(number: int, store: Path, outside: Path) -> str:
    """Damage a store in the way of that number and return what was done; ``outside`` holds what must never be read."""
    chance = random.Random(number)
    done = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        try:
            done.append(chance.choice(MUTATIONS)(chance, store, outside))
        except (ValueError, RecursionError):
            done.append("nothing")  # an earlier change left what nobody can read
    return "; ".join(done)


def _files(store: Path, suffix: str = "") -> list[Path]:
    return sorted(file for file in store.rglob(f"*{suffix}") if file.is_file() and not file.is_symlink())


def _pick(chance: random.Random, store: Path, suffix: str = "") -> Path:
    # What stands alone (plan, lock, machine) as often as what each cell has.
    groups: dict[str, list[Path]] = {}
    for file in _files(store, suffix) or _files(store):
        groups.setdefault(file.parent.name if file.parent.parent.name != "cells" else file.name, []).append(file)
    return chance.choice(groups[chance.choice(sorted(groups))]) if groups else store / "nothing"


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in inner for place in _places(item, (*path, key))]


def _changed(chance: random.Random, data: Any) -> tuple[Any, str]:
    """Return nested data with one of its values or keys changed, and what was done."""
    places = _places(data)
    if not places or chance.random() < 0.06:
        value = chance.choice(VALUES)
        return value, f"all is {str(value)[:40]!r}"
    at = chance.choice(places)
    holder = data
    for key in at[:-1]:
        holder = holder[key]
    last, how = at[-1], chance.randrange(5)
    where = ".".join(map(str, at))
    if how == 0:
        del holder[last]
        return data, f"{where} removed"
    if how == 1 and isinstance(holder, dict):
        name = chance.choice(TEXTS)
        holder[name] = holder.pop(last)
        return data, f"{where} renamed {name[:40]!r}"
    if how == 2 and isinstance(holder, list):
        holder.append(holder[last])
        return data, f"{where} doubled"
    value = chance.choice(TEXTS if isinstance(holder[last], str) and chance.random() < 0.7 else VALUES)
    holder[last] = value
    return data, f"{where} is {str(value)[:40]!r}"


def json_value(chance: random.Random, store: Path, outside: Path) -> str:
    file = _pick(chance, store, ".json")
    try:
        data, what = _changed(chance, json.loads(file.read_bytes()))
    except (ValueError, OSError, RecursionError):  # of what an earlier change left
        return "nothing"
    text = json.dumps(data)
    for token, sign in RAW.items():
        text = text.replace(f'"{sign}"', token)
    file.write_text(text)
    return f"{file.relative_to(store)}: {what}"


def yaml_value(chance: random.Random, store: Path, outside: Path) -> str:
    file = store / "suite.lock.yaml"
    if not file.is_file():
        return "nothing"
    if chance.random() < 0.3:
        text = chance.choice(YAML_LINES)
        file.write_text(text if chance.random() < 0.5 else file.read_text(errors="replace") + text)
        return f"{file.name}: {text[:40]!r}"
    try:
        data, what = _changed(chance, yaml.safe_load(file.read_text()))
        file.write_text(yaml.safe_dump(data))
    except (yaml.YAMLError, UnicodeError, RecursionError):
        return "nothing"
    return f"{file.name}: {what}"


def raw_bytes(chance: random.Random, store: Path, outside: Path) -> str:
    file = _pick(chance, store)
    content = bytearray(file.read_bytes())
    how = chance.randrange(5)
    if how == 0:
        content = content[: chance.randrange(len(content) + 1)]
    elif how == 1 and content:
        for _ in range(chance.choice((1, 3, 30))):
            content[chance.randrange(len(content))] = chance.randrange(256)
    elif how == 2:
        content = bytearray(chance.randbytes(chance.choice((0, 1, 200))))
    elif how == 3:
        at = chance.randrange(len(content) + 1)
        content[at:at] = chance.choice((b"\0" * 40, b"\xff\xfe", b"{", b'"', b"\x1b", b"[" * 4000))
    else:
        content = bytearray(b"[" * 100_000)
    file.write_bytes(content)
    name = file
    if file.suffix in (".parquet", ".safetensors") and chance.random() < 0.7:
        name = _renamed(file, chance)
    return f"{name.relative_to(store)}: bytes {how}"


def other_file(chance: random.Random, store: Path, outside: Path) -> str:
    """Put something else where a file or folder stands: nothing, a folder, a pipe, a link, a file of a terabyte."""
    targets = [_pick(chance, store), *(folder for folder in store.rglob("*") if folder.is_dir())]
    path = targets[0] if chance.random() < 0.6 else chance.choice(sorted(targets))
    inner, how = path.relative_to(store), chance.randrange(6)
    moved = path.with_name(f"moved-{path.name}")
    if moved.exists() or not path.exists():
        return "nothing"
    path.rename(moved)
    twin = outside / inner
    if how == 1:
        path.mkdir()
    elif how == 2:
        os.mkfifo(path)
    elif how == 3:
        path.symlink_to(store / "nowhere")
    elif how == 4:
        path.symlink_to(twin if twin.exists() else outside)
    elif how == 5:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    return f"{inner}: replaced {how}"


def other_cell(chance: random.Random, store: Path, outside: Path) -> str:
    """Let the plan, or a record, name a cell that stands outside."""
    victim = chance.choice(sorted((outside / "cells").iterdir())).name
    name = chance.choice((f"../../{outside.name}/cells/{victim}", str(outside / "cells" / victim), f"./{victim}"))
    file = store / "plan.json" if chance.random() < 0.6 else _pick(chance, store, "cell.json")
    if not file.is_file():
        return "nothing"  # a pipe, which nobody writes to
    try:
        data = json.loads(file.read_bytes())
        holder = data[0] if isinstance(data, list) else data
        holder[chance.choice(("id", "id", "reference_cell"))] = name
    except (ValueError, OSError, LookupError, TypeError, RecursionError):
        return "nothing"
    file.write_text(json.dumps(data))
    return f"{file.relative_to(store)}: names {name}"


def _renamed(file: Path, chance: random.Random) -> Path:
    """Give a content-named file the name that its content asks for, and mostly have the record of its cell name it so."""
    sha = file_sha256(file)
    target = file.rename(file.with_name(f"{file.name.partition('.')[0]}.{sha[:16]}{file.suffix}"))
    record = file.parent.parent / "cell.json"
    # An earlier change may have left a pipe there, which nobody writes to.
    if chance.random() < 0.7 and record.is_file():
        with contextlib.suppress(ValueError, OSError, KeyError, AttributeError, TypeError, RecursionError):
            data = json.loads(record.read_bytes())
            if data["files"].pop(f"{file.parent.name}/{file.name}", None) is not None:
                data["files"][f"{file.parent.name}/{target.name}"] = sha
                record.write_text(json.dumps(data))
    return target


def table(chance: random.Random, store: Path, outside: Path) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = _pick(chance, store, ".parquet")
    try:
        found = pq.read_table(file)
    except (pa.ArrowException, OSError):
        return "nothing"
    if not found.column_names:
        return "nothing"
    at = chance.randrange(len(found.column_names))
    name, rows, how = found.column_names[at], found.num_rows, chance.randrange(9)
    fills: dict[int, Any] = {
        2: pa.array(
            [chance.choice((None, float("nan"), float("inf"), -1e308, 0.0)) for _ in range(rows)], pa.float64()
        ),
        3: pa.array([chance.choice(TEXTS[1:7]) for _ in range(rows)], pa.string()) if rows else None,
        4: pa.array([chance.choice((-1, 0, 2**62, None)) for _ in range(rows)], pa.int64()),
        5: pa.nulls(rows),
        6: pa.array([[1.0, 2.0]] * rows, pa.list_(pa.float64())),
    }
    if how == 0:
        changed = found.drop_columns([name])
    elif how == 1:
        changed = found.rename_columns([chance.choice(("seed", "score.clip_score", "x\x1b", "array.y")) if i == at else n
                                        for i, n in enumerate(found.column_names)])  # fmt: skip
    elif fills.get(how) is not None:
        changed = found.set_column(at, name, fills[how])
    elif how == 7:
        changed = found.slice(0, 0)
    else:
        changed = pa.concat_tables([found] * 2)
    pq.write_table(changed, file)
    return f"{_renamed(file, chance).relative_to(store)}: column {name[:20]!r} {how}"


def outputs(chance: random.Random, store: Path, outside: Path) -> str:
    from safetensors.numpy import save_file

    file = _pick(chance, store, ".safetensors")
    if file.suffix != ".safetensors":
        return "nothing"
    header = {"seed": "0", "ids": '["s000", "s001"]', "captions": '["a", "b"]'}
    shape = chance.choice(((3, 8, 8), (1, 1, 9000), (3, 1, 2, 2), (3,), (0, 4, 4), (7, 2, 2), (2, 3, 4, 5, 6)))
    kind = chance.choice((np.float32, np.float64, np.uint8, np.bool_, np.float16))
    tensors = {f"{row}/image": np.full(shape, chance.choice((0, 1)), kind) for row in range(2)}
    key = chance.choice((*header, "none"))
    bad = (
        "",
        "[]",
        "{}",
        "null",
        "[1]",
        '["a"',
        "x" * 50,
        '["<b>", "![p](http://evil.example/x)"]',
        "[" * 9000,
        "9" * 5000,
    )
    header[key] = chance.choice(bad)
    if chance.random() < 0.3:
        header.pop(key)
    save_file(tensors, file, header)
    return f"{_renamed(file, chance).relative_to(store)}: {key}, image {shape} of {kind.__name__}"


MUTATIONS: tuple[Mutation, ...] = (
    json_value, json_value, json_value, json_value, yaml_value, raw_bytes, other_file, other_cell, table, outputs,
)  # fmt: skip
