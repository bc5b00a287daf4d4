"""Mutated suites: every one is valid or refused in one sentence, soon. 1,700 such gave 71 tracebacks and 21 hangs once."""

import random
import time
from pathlib import Path

import pytest

from effbench.errors import BadInput
from effbench.runner.plan import make_plan
from effbench.suite import load_suite, shipped_suites

TOKENS = [
    *(
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&a ",
        "*a",
        "&a [*a]",
        "<<: *a",
        "!!float ",
        "!!int ",
        "!!bool ",
        "!!timestamp ",
    ),
    *(
        "!!binary ",
        "!!set ",
        "!!omap ",
        "!!python/object/apply:os.getcwd []",
        "!x ",
        "? ",
        "| ",
        "> ",
        "---\n",
        "...\n",
    ),
    *(
        "%YAML 1.2\n",
        "\t",
        "\n",
        "#",
        "'",
        '"',
        "\x00",
        "\x0c",
        "\x1b[0m",
        "\u2028",
        "\x85",
        "\ufeff",
        "\ud7ff",
        "🎈",
        "é",
    ),
    *(
        ".inf",
        "-.inf",
        ".nan",
        "1e400",
        "1.0e+999",
        "9" * 30,
        "9" * 5000,
        "-1",
        "010",
        "0o7",
        "1:30",
        "1_0",
        "2020-01-01",
    ),
    *(
        "null",
        "~",
        "off",
        "on",
        "yes",
        "true",
        "''",
        '"\\ud800"',
        '"\\x07"',
        "[" * 60,
        "{a: " * 60,
        "- " * 60,
        "x" * 300,
    ),
]
SECONDS_EACH = 5.0


def _sources() -> list[str]:
    small = [file for file in shipped_suites().values() if file.stat().st_size < 1500 and "hub" not in file.parts]
    toys = (Path(__file__).parent / "plugin_package" / "suites").glob("*.yaml")
    return [file.read_text("utf-8") for file in (*small, *sorted(toys))]


def _bomb(chance: random.Random) -> str:
    levels, width = chance.randint(2, 30), chance.randint(1, 12)
    lines = ["b0: &b0 [a, a]", *(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * width)}]" for n in range(1, levels))]
    return "\n".join(lines) + "\n"


def _mutant(chance: random.Random, sources: list[str]) -> bytes:
    text = chance.choice(sources)
    for _ in range(chance.randint(1, 4)):
        at, kind = chance.randrange(len(text)), chance.randrange(8)
        if kind < 3:
            text = text[:at] + chance.choice(TOKENS) + text[at:]
        elif kind == 3:
            text = text[:at] + chance.choice(TOKENS) + text[at + chance.randint(1, 12) :]
        elif kind == 4:
            lines = text.splitlines(keepends=True)
            chance.shuffle(lines)
            text = "".join(lines)
        elif kind == 5:
            text = text[:at] + text[at + chance.randint(1, 30) :] or "a"
        elif kind == 6:
            other = chance.choice(sources)
            cut = chance.randrange(len(other))
            text = text[:at] + other[cut : cut + chance.randint(1, 80)] + text[at:]
        else:
            text = _bomb(chance) + text.replace(": ", ": *b1 ", chance.randint(0, 1))
    raw = bytearray(text.encode("utf-8", "replace"))
    for _ in range(chance.choice([0, 0, 0, 1, 3])):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    return bytes(raw)


def _try(count: int, seed: int, folder: Path, plan_every: int) -> int:
    """Return how many of ``count`` mutants are valid; fail at the first that is neither valid nor refused, or too slow."""
    chance, sources, valid = random.Random(seed), _sources(), 0
    path = folder / "mutant.yaml"
    for number in range(count):
        mutant = _mutant(chance, sources)
        path.write_bytes(mutant)
        started = time.process_time()
        try:
            loaded = load_suite(path)
            if number % plan_every == 0:
                make_plan(loaded)
            valid += 1
        except BadInput as error:
            assert "\n" not in str(error) and str(error), mutant
        except Exception as error:
            raise AssertionError(f"mutant {number} of seed {seed}: {mutant!r}") from error
        assert time.process_time() - started < SECONDS_EACH, mutant
    return valid


def test_four_hundred_mutants(tmp_path):
    assert 0 < _try(400, 1, tmp_path, plan_every=10) < 400


@pytest.mark.slow
def test_six_thousand_mutants(tmp_path):
    assert 0 < _try(6000, 2, tmp_path, plan_every=3) < 6000
