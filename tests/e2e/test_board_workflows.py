"""The workflows of a board repository: what they may, and their lines, run one by one on pull requests good and bad."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from boards import commit, git, moved
from forging import METHOD, listed_again, own_cell, rewrite_record

from effbench.errors import BadInput
from effbench.repository.adding import add
from effbench.repository.starting import NEEDS, start


def workflow(board, name):
    return yaml.safe_load((board / ".github" / "workflows" / name).read_text())


def step(board, workflow_name, name):
    (job,) = workflow(board, workflow_name)["jobs"].values()
    (found,) = [step for step in job["steps"] if step.get("name") == name]
    return found["run"]


def test_the_workflows_have_no_more_rights_than_they_need(board):
    texts = {name: (board / ".github" / "workflows" / name).read_text() for name in ("check.yml", "comment.yml")}
    check, comment = (workflow(board, name) for name in texts)
    assert check[True] == "pull_request" and check["permissions"] == {"contents": "read"}  # YAML 1.1 reads `on` as true
    assert comment[True] == {"workflow_run": {"workflows": [check["name"]], "types": ["completed"]}}
    assert comment["permissions"] == {}
    assert comment["jobs"]["comment"]["permissions"] == {"actions": "read", "pull-requests": "write"}
    for text in texts.values():
        assert "secrets" not in text.partition("\nname:")[2] and "pull_request_target" not in text
        used = [line.split("uses:")[1].strip() for line in text.splitlines() if "uses:" in line]
        assert used and all(name.startswith("actions/") and name.rpartition("@v")[2].isdigit() for name in used)
        for job in yaml.safe_load(text)["jobs"].values():
            assert "timeout-minutes" in job
            runs = [step.get("run", "") for step in job["steps"]]
            assert not any("${{" in run for run in runs), "words of strangers are values of variables, never code"
    assert "checkout" not in texts["comment.yml"].partition("\nname:")[2]
    assert check["jobs"]["check"]["steps"][0]["with"]["persist-credentials"] is False
    assert check["jobs"]["check"]["steps"][0]["with"]["path"] == "board", "no command runs in what was sent in"


def test_the_skeleton_says_how_to_send_something_in(board, tmp_path):
    readme = (board / "README.md").read_text()
    assert "--licence CC-BY-4.0" in readme and "@LICENCE@" not in readme
    assert "results/** -text" in (board / ".gitattributes").read_text()
    assert f"pip install {' '.join(NEEDS)}" in step(board, "check.yml", "install")
    with pytest.raises(BadInput, match="is there already"):
        start(board, "CC0-1.0")
    with pytest.raises(BadInput, match="--effbench"):
        start(tmp_path / "x", "CC0-1.0", 'effbench" && curl evil "')


@pytest.fixture
def shell(tmp_path, toy_plugin):
    """Run the lines of a step as a host does, in a folder with the checkout in it."""
    tools = tmp_path / "tools"
    tools.mkdir()
    effbench = tools / "effbench"
    effbench.write_text(f'#!{sys.executable}\nfrom effbench.cli import main\nif __name__ == "__main__":\n    main()\n')
    effbench.chmod(effbench.stat().st_mode | stat.S_IXUSR)

    def run(lines, folder, **env):
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-e", "-c", lines],
            cwd=folder,
            env={**os.environ, "PATH": path, **env},
            capture_output=True,
            text=True,
        )

    run.tools = tools
    return run


def tampered_number(board, place):
    folder = own_cell(board / place)
    rewrite_record(folder, lambda record: next(n for n in record["numbers"] if n["name"] == "gap").update(value=-9.0))
    listed_again(board / place)


def foreign_file(board, place):
    (board / "effbench").mkdir()
    (board / "effbench" / "__init__.py").write_text("raise SystemExit(0)")


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (None, 0, "**Passed**: 1 submission, 1 passed."),
        (tampered_number, 1, "recompute: **not passed**"),
        (foreign_file, 1, "is outside of results/"),
        (moved, 1, "its content belongs to"),
    ],
)
def test_the_lines_of_the_workflow_check_a_pull_request(board, sent, shell, change, code, said):
    ((place, _),) = add(sent, board, by="alice")
    if change is not None:
        change(board, place)
    commit(board)
    git(board, "checkout", "-q", "main")
    git(board, "merge", "-q", "--no-ff", "-m", "as a host merges it", "sent")
    done = shell(step(board, "check.yml", "check"), board.parent, AUTHOR="alice")
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    comment = (board.parent / "comment.md").read_text()
    assert said in comment and METHOD in comment
    if code == 0:
        assert "**reference (ref.)**" in comment and r"<sub>\[" in comment


GH = """#!{python}
import json, os, sys
words = sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(words) + "\\n")
if words[0] == "api":
    answers = json.loads(os.environ["ANSWERS"])
    jq = words[words.index("--jq") + 1]
    print(next(answer for key, answer in answers if key in jq))
"""


@pytest.mark.parametrize(
    ("files", "count", "head", "number", "comments"),
    [
        ("results/t2i/x/y/1/plan.json\n", "1", "abc", "number=7\n", 0),
        ("results/t2i/x/y/1/plan.json\n.github/workflows/check.yml\n", "2", "abc", "", 1),
        ("results/t2i/x/y/1/plan.json\n", "4000", "abc", "", 1),
        ("results/t2i/x/y/1/plan.json\n", "1", "moved", "", 0),
    ],
)
def test_a_comment_is_repeated_only_of_what_could_not_have_changed_the_check(
    board, shell, tmp_path, files, count, head, number, comments
):
    gh = shell.tools / "gh"
    gh.write_text(GH.format(python=sys.executable))
    gh.chmod(0o755)
    answers = [[".number]", "7"], [".filename", files.rstrip("\n")], [".changed_files", count], [".head.sha", head]]
    env = {"CALLS": str(tmp_path / "calls"), "ANSWERS": json.dumps(answers), "GITHUB_OUTPUT": str(tmp_path / "output")}
    env |= {"REPO": "o/board", "OWNER": "alice", "BRANCH": "x; touch /tmp/owned", "SHA": "abc"}
    (tmp_path / "output").write_text("")
    done = shell(step(board, "comment.yml", "find the pull request"), tmp_path, **env)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output").read_text() == number
    calls = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
    assert sum(call[:2] == ["pr", "comment"] for call in calls) == comments
    assert f"head=alice:{env['BRANCH']}" in calls[0], "a branch's name is a value"


def test_the_comment_is_posted_as_it_was_left(board, shell, tmp_path):
    gh = shell.tools / "gh"
    gh.write_text(GH.format(python=sys.executable))
    gh.chmod(0o755)
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "comment.md").write_text("x" * 70_000)
    env = {"CALLS": str(tmp_path / "calls"), "NUMBER": "7", "REPO": "o/board"}
    done = shell(step(board, "comment.yml", "post"), tmp_path, **env)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "comment.md").read_text()) == 65_000
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert json.loads(call)[:5] == ["pr", "comment", "7", "--repo", "o/board"]


BLOCKER = """
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r} or name.startswith("effbench.tasks"):
            raise ImportError(f"a check imports {{name}}")
sys.meta_path.insert(0, Refused())
"""


def test_a_check_imports_no_plugin_and_no_library_that_the_workflow_does_not_install(board, sent, shell, tmp_path):
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    listed = [
        line.split(">=")[0].strip(' "')
        for line in project.partition("dependencies = [")[2].partition("]")[0].splitlines()
    ]
    others = {name.replace("-", "_") for name in listed if name and name not in NEEDS}
    assert {"torch", "pandas", "streamlit", "diffusers"} <= others and "pyyaml" not in others
    (tmp_path / "hooks").mkdir()
    names = sorted({*others, "effbench_baselines", "effbench_toyplugin"})
    (tmp_path / "hooks" / "sitecustomize.py").write_text(BLOCKER.format(names=names))
    add(sent, board, by="alice")
    commit(board)
    line = 'effbench board-repo check board --changed main --author alice && ! python -c "import torch"'
    env = {
        "PYTHONPATH": str(tmp_path / "hooks"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = shell(line.replace("python", sys.executable), board.parent, **env)
    assert done.returncode == 0, done.stdout + done.stderr
