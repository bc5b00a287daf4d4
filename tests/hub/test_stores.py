"""A store on a hub (one on the loopback) becomes a folder here: once, whole, without links, and only if it may."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from effbench.errors import StoreError
from effbench.hub import listing, stores
from effbench.hub.stores import local_store
from effbench.store import read_store

STORE = Path(__file__).parent.parent / "assets" / "store-v1"
NAME = "hf://datasets/owner/results"
FILES = {str(f.relative_to(STORE)): f.read_bytes() for f in STORE.rglob("*") if f.is_file()}
COMMIT, OLDER = "0123456789abcdef" * 2 + "01234567", "fedcba9876543210" * 2 + "fedcba98"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def fetch(said: list[str]) -> Callable[[str], Path]:
    return lambda named: local_store(named, said.append)


@pytest.fixture
def refused(hub: Any, fetch: Callable[[str], Path]) -> Callable[[str], str]:
    """Return the sentence of a store that must not be fetched, once it is sure that nothing of it was."""

    def run(named: str) -> str:
        with pytest.raises(StoreError) as error:
            fetch(named)
        assert hub.fetched() == [] and "\n" not in str(error.value)
        return str(error.value)

    return run


def test_a_folder_is_its_own_path_and_asks_nobody(hub: Any, fetch: Callable[[str], Path], said: list[str]) -> None:
    assert fetch(str(STORE)) == STORE and hub.asked == [] and said == []


@pytest.mark.parametrize("below", ["", "results/t2i/", "a b/[x]*/ü/"])
def test_it_holds_what_the_store_holds_and_no_link(
    hub: Any, fetch: Callable[[str], Path], said: list[str], below: str
) -> None:
    hub.hold("owner/results", STORE, below)
    hub.repositories["owner/results"][COMMIT]["README.md"] = b"# results"
    folder = fetch(f"{NAME}/{below}")
    assert contents(folder) == FILES
    assert not any(path.is_symlink() for path in (folder, *folder.rglob("*"))), "a reader follows none that leads out"
    assert len(read_store(folder).cells) == 2 and folder.name.endswith(f"@{COMMIT[:7]}")
    assert said == [f"{NAME}{'/' if below else ''}{below.rstrip('/')}: revision {COMMIT[:12]}, 16 files, 0.0 MB"]


def test_only_what_belongs_to_a_store_is_fetched(hub: Any, fetch: Callable[[str], Path]) -> None:
    hub.hold("owner/results", STORE)
    cell = f"cells/{next((STORE / 'cells').iterdir()).name}"
    others = [f"{cell}/log.txt", f"{cell}/artifact/m.safetensors", f"{cell}/samples/x.pkl", "code.py", ".gitattributes",
              "other/suite.lock.yaml", "machine/x.json", f"{cell}/outputs/deep/x.safetensors"]  # fmt: skip
    hub.repositories["owner/results"][COMMIT] |= dict.fromkeys(others, b"x")
    assert contents(fetch(NAME)) == FILES
    assert not {path for path in hub.fetched() if path.rpartition(f"{COMMIT}/")[2] in others}


def test_a_submission_keeps_its_manifest_and_its_history(hub: Any, fetch: Callable[[str], Path]) -> None:
    hub.hold("owner/results", STORE)
    hub.repositories["owner/results"][COMMIT] |= {"submission.yaml": b"schema: x", "verification.json": b"{}"}
    assert {"submission.yaml", "verification.json"} <= contents(fetch(NAME)).keys()


def test_the_second_time_nothing_is_fetched(hub: Any, fetch: Callable[[str], Path], said: list[str]) -> None:
    hub.hold("owner/results", STORE)
    first = fetch(NAME)
    hub.asked.clear()
    assert fetch(NAME) == first
    assert [path for _, path in hub.asked] == ["/api/datasets/owner/results/revision/main"]
    assert said[-1] == f"{NAME}: revision {COMMIT[:12]}, already here"
    hub.asked.clear()
    assert fetch(f"{NAME}@{COMMIT}") == first and hub.asked == [], "a commit never changes"


def test_of_a_new_revision_what_did_not_change_is_not_fetched_again(hub: Any, fetch: Callable[[str], Path]) -> None:
    hub.hold("owner/results", STORE, commit=OLDER)
    hub.branches = {"main": OLDER, "old": OLDER}
    old = fetch(NAME)
    hub.repositories["owner/results"][COMMIT] = {**FILES, "plan.json": b"[]"}
    hub.branches["main"] = COMMIT
    hub.asked.clear()
    new = fetch(NAME)
    assert [path.rpartition("/")[2] for path in hub.fetched()] == ["plan.json"]
    assert contents(new) == {**FILES, "plan.json": b"[]"} and contents(old) == FILES and fetch(f"{NAME}@old") == old


def test_without_hard_links_it_is_copied(
    hub: Any, fetch: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    hub.hold("owner/results", STORE)
    assert contents(fetch(NAME)) == FILES


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "cells/../../x", "a//b", "cells/.."])
def test_a_listing_that_leads_out_is_refused_whole(hub: Any, refused: Callable[[str], str], path: str) -> None:
    hub.hold("owner/results", STORE)
    hub.listed[COMMIT] = [*((name, len(data)) for name, data in FILES.items()), (path, 3)]
    assert f"the hub lists {path!r}, which " in (why := refused(NAME)) and why.endswith("so nothing was fetched")


@pytest.mark.parametrize("twin", ["plan.json", "cells/338f4f2abd7a58c8/jobs/MEMORY.json"])
def test_a_listing_that_has_a_file_twice_is_refused(hub: Any, refused: Callable[[str], str], twin: str) -> None:
    hub.hold("owner/results", STORE)
    hub.listed[COMMIT] = [*((name, len(data)) for name, data in FILES.items()), (twin, 3)]
    assert f"the hub lists {twin!r} twice, so nothing was fetched" in refused(NAME)


def test_a_listing_of_another_folder_is_refused(hub: Any, refused: Callable[[str], str]) -> None:
    hub.hold("owner/results", STORE, "a/")
    hub.listed[COMMIT] = [("a/suite.lock.yaml", 3), ("b/plan.json", 3)]
    assert "the hub lists 'b/plan.json', which is not in it" in refused(f"{NAME}/a")


@pytest.mark.parametrize("what", ["MOST_BYTES", "MOST_FILES"])
def test_what_is_too_large_is_refused_before_it_is_fetched(
    hub: Any, refused: Callable[[str], str], fetch: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    hub.hold("owner/results", STORE, "a/")
    exact = {"MOST_BYTES": sum(map(len, FILES.values())), "MOST_FILES": len(FILES)}[what]
    monkeypatch.setattr(listing, what, exact - 1)
    said = refused(f"{NAME}@main/a")
    assert (
        "GiB are fetched; get it yourself and name the folder: hf download owner/results --repo-type dataset " in said
    )
    assert said.endswith("--revision main --include 'a/*' --local-dir FOLDER")
    monkeypatch.setattr(listing, what, exact)
    assert contents(fetch(f"{NAME}@main/a")) == FILES


@pytest.mark.parametrize("size", [2**40, 10**30])
def test_one_huge_file_is_enough(hub: Any, refused: Callable[[str], str], size: int) -> None:
    hub.hold("owner/results", STORE)
    hub.listed[COMMIT] = [("suite.lock.yaml", 3), ("plan.json", size)]
    assert "at most 20000 files of 2 GiB are fetched" in refused(NAME)


def test_a_listing_without_an_end_is_left_early(
    hub: Any, refused: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.hold("owner/results", STORE)
    hub.listed[COMMIT] = [(f"pictures/{number}.png", 3) for number in range(1000)]
    hub.page = 10
    monkeypatch.setattr(listing, "MOST_LISTED", 25)
    assert "the hub lists more than 25 files there; name a folder in it" in refused(NAME)
    assert len([path for _, path in hub.asked if "/tree/" in path]) == 3


def test_a_long_listing_comes_in_pages(hub: Any, fetch: Callable[[str], Path]) -> None:
    hub.hold("owner/results", STORE)
    hub.page = 3
    assert contents(fetch(NAME)) == FILES


@pytest.mark.parametrize("size", ["many", -1, 1.5e400])
def test_sizes_that_are_none_are_one_sentence(hub: Any, refused: Callable[[str], str], size: Any) -> None:
    hub.hold("owner/results", STORE)
    hub.listed[COMMIT] = [("suite.lock.yaml", size)]
    assert refused(NAME).startswith(NAME)


def test_a_file_of_another_size_than_listed_makes_no_store(
    hub: Any, fetch: Callable[[str], Path], tmp_path: Path
) -> None:
    hub.hold("owner/results", STORE)
    hub.listed[COMMIT] = [(name, len(data) + (name == "plan.json")) for name, data in FILES.items()]
    with pytest.raises(StoreError, match=r"plan.json has \d+ bytes, and the hub listed \d+"):
        fetch(NAME)
    assert not list((tmp_path / "cache").rglob("suite.lock.yaml"))


@pytest.mark.parametrize(
    ("named", "why"),
    [
        (
            "hf://nobody/nothing",
            "the hub has no dataset nobody/nothing, or only for others: check the name, or log in with",
        ),
        (f"{NAME}@v9", "it has no revision 'v9': name a branch, a tag or a commit behind an @"),
        (f"{NAME}@{'a' * 40}", "it has no revision"),
        (f"{NAME}/result/t2i", "the repository has no folder 'result/t2i'; did you mean 'results/t2i'?"),
        (NAME, "not an EffBench store (no suite.lock.yaml); there is one in results/t2i, results/t2v"),
        ("hf://owner/plain/a", "the repository has no folder 'a'; no folder in it holds a store"),
        ("hf://owner/plain", "not an EffBench store (no suite.lock.yaml)"),
    ],
)
def test_what_is_not_there_is_one_sentence(hub: Any, refused: Callable[[str], str], named: str, why: str) -> None:
    hub.hold("owner/results", STORE, "results/t2i/")
    hub.hold("owner/results", STORE, "results/t2v/")
    hub.repositories["owner/plain"] = {COMMIT: {"README.md": b"x"}}
    said = refused(named)
    assert why in said and said.startswith(
        named.replace("hf://o", "hf://datasets/o").replace("hf://n", "hf://datasets/n")
    )


def test_a_hub_that_fails_or_talks_nonsense_is_one_sentence(hub: Any, refused: Callable[[str], str]) -> None:
    hub.hold("owner/results", STORE)
    hub.failing = 403
    assert "cannot be fetched from http://127.0.0.1:" in refused(NAME)
    hub.failing = 200  # an answer that holds nothing
    assert "cannot be fetched from http://127.0.0.1:" in refused(NAME)
    hub.failing = None
    hub.branches["main"] = "../../elsewhere"
    hub.repositories["owner/results"]["../../elsewhere"] = {}
    assert "the hub gave no commit for the revision 'main'" in refused(NAME)


def test_offline_what_was_seen_last_is_shown_and_what_never_was_is_told(
    hub: Any,
    fetch: Callable[[str], Path],
    refused: Callable[[str], str],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import constants

    hub.hold("owner/results", STORE)
    folder = fetch(NAME)
    hub.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch(NAME) == folder and hub.asked == []
    assert "the hub cannot be asked (OfflineModeIsEnabled" in said[-2] and "as it was last seen" in said[-2]
    assert said[-1] == f"{NAME}: revision {COMMIT[:12]}, already here"
    assert "HF_HUB_OFFLINE is set: unset it, or name a folder" in refused(f"{NAME}@other")


def test_a_hub_that_is_down_shows_what_was_seen_last(
    hub: Any,
    fetch: Callable[[str], Path],
    refused: Callable[[str], str],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import constants

    hub.hold("owner/results", STORE)
    folder = fetch(NAME)
    hub.asked.clear()
    hub.failing = 503
    assert fetch(NAME) == folder and "cannot be asked" in said[-2]
    hub.asked.clear()
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    assert re.search(r"cannot be fetched from http://127.0.0.1:1 \(Connect\w+: .*check the connection", refused(NAME))


def test_a_cache_that_cannot_be_written_is_one_sentence(
    hub: Any, fetch: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.hold("owner/results", STORE)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match=r"cannot be saved: Not a directory"):
        fetch(NAME)


def test_two_at_once_make_the_same_store(
    hub: Any, fetch: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.hold("owner/results", STORE)
    download = stores._download

    def overtaken(*arguments: Any) -> list[Path]:
        found = download(*arguments)
        monkeypatch.setattr(stores, "_download", download)
        fetch(NAME)
        return found

    monkeypatch.setattr(stores, "_download", overtaken)
    folder = fetch(NAME)
    assert contents(folder) == FILES and [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_progress_is_told_now_and_then(
    hub: Any, fetch: Callable[[str], Path], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "SAY_EVERY_S", 0.0)
    hub.hold("owner/results", STORE)
    fetch(NAME)
    assert said[1:] == [f"{NAME}: {number} of 16 files" for number in range(1, 17)]


def test_an_unfinished_download_leaves_no_store_and_is_finished_the_next_time(
    hub: Any, fetch: Callable[[str], Path], tmp_path: Path
) -> None:
    hub.hold("owner/results", STORE)
    missing = hub.repositories["owner/results"][COMMIT].pop("plan.json")
    hub.listed[COMMIT] = [(name, len(data)) for name, data in FILES.items()]
    with pytest.raises(StoreError, match="cannot be fetched"):
        fetch(NAME)
    assert not list((tmp_path / "cache").rglob("suite.lock.yaml"))
    hub.repositories["owner/results"][COMMIT]["plan.json"] = missing
    assert contents(fetch(NAME)) == FILES
    shutil.rmtree(tmp_path / "cache")
