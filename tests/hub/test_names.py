"""Names of stores on the hub: what they mean, also after a ``Path`` has taken a slash from them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from effbench.errors import BadInput
from effbench.hub.names import HubName, hub_name, is_hub_name, refuse_hub, why_no_path


@pytest.mark.parametrize("form", [str, Path])
@pytest.mark.parametrize(
    ("named", "means"),
    [
        ("hf://datasets/owner/name", ("owner/name", "", "")),
        ("hf://owner/name", ("owner/name", "", "")),
        ("HF://owner/name/", ("owner/name", "", "")),
        ("hf://datasets/owner/name@main", ("owner/name", "main", "")),
        ("hf://datasets/owner/name/results/t2i", ("owner/name", "", "results/t2i")),
        ("hf://datasets/owner/name@v1.0/a b/ü", ("owner/name", "v1.0", "a b/ü")),
        ("hf://owner/name@refs/pr/12/a", ("owner/name", "refs/pr/12", "a")),
        ("hf://owner/name@refs/convert/parquet", ("owner/name", "refs/convert/parquet", "")),
        ("hf://owner/name@feature%2Fx/a", ("owner/name", "feature/x", "a")),
        ("hf://datasets/a.b-c/d_e.f", ("a.b-c/d_e.f", "", "")),
    ],
)
def test_a_name_means_a_repository_a_revision_and_a_folder(form: type, named: str, means: tuple[str, str, str]) -> None:
    assert is_hub_name(form(named))
    assert hub_name(form(named)) == HubName(*means)
    assert hub_name(str(hub_name(form(named)))) == HubName(*means), "what is shown can be pasted"


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("hf://name", "is no store's name on the hub; it reads hf://datasets/OWNER/NAME"),
        ("hf://datasets/name", "is no store's name"),
        ("hf://owner/name@", "is no store's name"),
        ("hf://owner/na--me", "is no store's name"),
        ("hf://owner/name.git", "is no store's name"),
        ("hf://../name", "is no store's name"),
        (f"hf://owner/{'n' * 97}", "is no store's name"),
        ("hf://models/owner/name", "stores are read from dataset repositories, not from models"),
        ("hf://spaces/owner/name", "not from spaces"),
        ("hf://owner/name/../../x", r"the folder leads upwards \(\.\.\)"),
        ("hf://owner/name@..%2F..%2Fx", "the revision leads upwards"),
        ("hf://owner/name/a\\b", "the folder holds a character"),
        ("hf://owner/name@a%00b", "the revision holds a character"),
        ("hf://owner/name/a\x1b[2J", r"hf://owner/name/a\\x1b\[2J: the folder holds a character"),
    ],
)
def test_what_is_no_name_is_one_sentence(named: str, why: str) -> None:
    with pytest.raises(BadInput, match=why) as refused:
        hub_name(named)
    assert "\n" not in str(refused.value) and "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    "named", ["results/quickstart", "/tmp/hf:/x", "hf", "hf:", "hfx://a/b", "results/hf://a/b", ""]
)
def test_folders_are_folders(named: str) -> None:
    assert not is_hub_name(named) and not is_hub_name(Path(named))
    refuse_hub(Path(named), "name another")


def test_the_label_is_the_last_word() -> None:
    assert (HubName("o/n").label, HubName("o/n", "v1", "a/b").label) == ("n", "b")


@pytest.mark.parametrize("path", ["..", "a/../b", "../a", "a/..", "/etc/passwd", "a//b", "", "./a", "a/."])
def test_a_path_that_does_not_stay_below_is_told(path: str) -> None:
    assert why_no_path(path)


@pytest.mark.parametrize("path", ["a", "a/b.parquet", "..a/b..", "a b/ü"])
def test_a_path_that_stays_below_is_none(path: str) -> None:
    assert not why_no_path(path)
