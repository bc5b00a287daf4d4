"""A board repository in git, and what is done to it."""

import os
import subprocess

PERSON = {"NAME": "t", "EMAIL": "t@example.org"}
IDENTITY = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in PERSON.items()}


def git(folder, *words):
    done = subprocess.run(
        ["git", "-C", folder, *words], capture_output=True, text=True, check=True, env={**os.environ, **IDENTITY}
    )
    return done.stdout


def settle(board):
    """Merge the branch as a host does, and begin another."""
    commit(board)
    git(board, "checkout", "-q", "main")
    git(board, "merge", "-q", "--ff-only", "sent")
    git(board, "checkout", "-q", "sent")


def commit(board):
    git(board, "add", "-A")
    git(board, "commit", "-q", "--allow-empty", "-m", "sent in")


def moved(board, place):
    target = board / place.parent.parent / "another-method" / place.name
    target.parent.mkdir()
    (board / place).rename(target)
