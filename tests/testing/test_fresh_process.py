"""What only another process can tell of a task: heavy imports, and modules that are not there."""

import importlib

import pytest

from effbench.testing import ConformanceError, check_task

HEAVY_MODULE = """
import sys

from effbench.api import Sample, System, Task

in_fresh_process = "pytest" not in sys.modules
if in_fresh_process:
    import {at_import}


class Heavy(Task):
    name = "heavy"
    run = score = None

    def load(self, ctx):
        return System()

    def samples(self, split, subset=None):
        if in_fresh_process:
            import {in_samples}
        return [Sample(split)]
"""


@pytest.mark.parametrize(
    ("module", "at_import", "in_samples", "words"),
    [
        ("heavy_import", "pandas", "json", "importing heavy_import also imports pandas"),
        ("heavy_samples", "json", "torch", "samples imports torch; it must be free of them"),
        ("lost_import", "no_such_module", "json", "lost_import does not work in a fresh process (ModuleNotFoundError"),
    ],
)
def test_a_fresh_process_sees_what_this_one_cannot(module, at_import, in_samples, words, tmp_path, monkeypatch):
    for stub in ("pandas", "torch"):
        (tmp_path / f"{stub}.py").touch()
    (tmp_path / f"{module}.py").write_text(HEAVY_MODULE.format(at_import=at_import, in_samples=in_samples))
    monkeypatch.syspath_prepend(tmp_path)
    heavy = importlib.import_module(module).Heavy
    with pytest.raises(ConformanceError) as caught:
        check_task(heavy)
    assert any(words in violation for violation in caught.value.violations)
