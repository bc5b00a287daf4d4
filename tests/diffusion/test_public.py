"""Authors of methods import ``effbench.diffusion`` and nothing deeper."""

from pathlib import Path

import pytest

from effbench import diffusion
from effbench.cli.new import starter_fields

ROOT = Path(__file__).parents[2]
OF_AUTHORS = [
    *(ROOT / "baselines").rglob("*.py"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "effbench/templates").iterdir(),
]


def test_nothing_that_an_author_reads_imports_the_tasks_of_diffusion():
    assert len(OF_AUTHORS) > 30
    deep = [str(p) for p in OF_AUTHORS if p.is_file() and "effbench.tasks.diffusion" in p.read_text(errors="ignore")]
    assert not deep


@pytest.mark.parametrize(
    ("task", "module"),
    [
        ("t2i", "effbench.diffusion"),
        ("t2v", "effbench.diffusion"),
        ("denoiser", "effbench.diffusion"),
        ("workload", "effbench.tasks.workload.system"),
    ],
)
def test_a_starter_imports_its_system_from_the_outermost_package_that_gives_it(task, module):
    assert starter_fields("method", "idle-idea", task)["system_module"] == module


def test_all_that_is_public_is_there():
    assert set(diffusion.__all__) <= set(dir(diffusion))
