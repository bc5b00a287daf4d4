"""Names on the command line that are too long, or hold what a terminal would obey: one harmless line and exit code 2."""

import sys

import pytest

from effbench.cli.app import run_app

LONG = "n" * 300
SUITE = """\
schema: effbench/suite/1
name: names
tasks:
  - {id: w, use: workload, with: {units: 2, size: 8, samples: 4}}
methods:
  - {use: reference, role: reference}
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["validate", LONG], "(300 characters): File name too long"),
        (["validate", f"{LONG}/suite.yaml"], "File name too long"),
        (["run", "s.yaml", "--store", LONG], "File name too long"),
        (["new", "method", "mine", "--for", "t2i", "--into", LONG], "File name too long"),
        (["report", LONG], "File name too long"),
        (["validate", "a\n\x1b[31mb"], r"a\n\x1b[31mb: there is no such file"),
        (["run", "s.yaml", "--only", "w\n", "--dry-run"], r"--only w\n: matches no cell"),
        (["run", "s.yaml", "--only", "w/\udcff", "--dry-run"], "matches no cell"),
        (["no\nsuch"], r"no\nsuch"),
    ],
)
def test_any_name_is_one_line(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(SUITE)
    monkeypatch.setattr(sys, "argv", ["effbench", *arguments])
    assert run_app() == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and said in err
    assert err.count("\n") == 1 and "\x1b" not in err
