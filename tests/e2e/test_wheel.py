"""The built wheel, installed away from the checkout, runs a suite; nothing of the repository leaks in by accident."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from support import suite_text

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {
    "effbench",
    "effbench_baselines",
    "effbench_data_manifests",
    "effbench_leaderboard",
    "effbench_suites",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    for name in ("effbench", "baselines", "leaderboard", "suites", "data_manifests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", out, source]
    subprocess.run(command, check=True, timeout=120)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_every_module_and_data_file_and_no_bare_package(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == TOP_LEVEL
    folders = {"effbench": "effbench", "baselines": "effbench_baselines", "leaderboard": "effbench_leaderboard"}
    folders |= {"suites": "effbench_suites", "data_manifests": "effbench_data_manifests"}
    listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True)
    tracked = listed.stdout.split() if listed.returncode == 0 else []
    missing = [f for f in tracked if "/".join([folders[f.split("/")[0]], *f.split("/")[1:]]) not in names]
    assert not missing


@pytest.mark.timeout(300)
def test_the_wheel_runs_the_smallest_suite_outside_the_checkout(wheel, toy_plugin, tmp_path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, timeout=60)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(venv), "platbase": str(venv)}))
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True, timeout=120)
    # The fresh environment sees the test environment's packages, but not its editable install of effbench.
    borrowed = tmp_path / "borrowed"
    borrowed.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "effbench" not in path.name.lower() and path.suffix != ".pth":
            (borrowed / path.name).symlink_to(path)
    env = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{borrowed}{os.pathsep}{toy_plugin}"}
    suite = tmp_path / "suite.yaml"
    suite.write_text(suite_text(methods=["{use: toy-momentum}"], latency="{rounds: 1, budget_s: 0.05}", memory=True))
    python = venv / "bin" / "python"
    probe = "import effbench, effbench_baselines; print(effbench.__file__); print(effbench_baselines.__file__)"
    where = subprocess.run([python, "-c", probe], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert all(line.startswith(str(site)) for line in where.stdout.split())
    command = [python, "-c", "from effbench.cli import main; main()"]
    run = subprocess.run([*command, "run", suite], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert "toy-momentum" in run.stdout
    listed = subprocess.run(
        [*command, "list", "zoo"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert "zoo:digits-pixart" in listed.stdout, listed.stderr
