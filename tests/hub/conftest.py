"""A hub on the loopback: the few endpoints that the hub's client asks when it reads a dataset repository."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

COMMIT, OLDER = "0123456789abcdef" * 2 + "01234567", "fedcba9876543210" * 2 + "fedcba98"


@dataclass
class Hub:
    """Repositories (``owner/name`` -> revision -> path -> content), commits of branches, and what was asked of them.

    ``listed`` replaces the listing of a commit (an entry is (path, size)), ``page`` is the most entries of one answer, and
    ``failing`` is the status of every answer while it is set.
    """

    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    listed: dict[str, list[tuple[str, Any]]] = field(default_factory=dict)
    page: int = 1000
    failing: int | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def hold(self, repository: str, folder: Path, below: str = "", commit: str = COMMIT) -> None:
        """Put the files of a folder into a repository."""
        files = {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}
        held = self.repositories.setdefault(repository, {}).setdefault(commit, {})
        held.update({f"{below}{name}": data for name, data in files.items()})

    def fetched(self) -> list[str]:
        """Return the paths of files whose content was asked for."""
        return [path for method, path in self.asked if method == "GET" and "/resolve/" in path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        self.hub.asked.append((self.command, self.path))
        if self.hub.failing is not None:
            return self._send(self.hub.failing, b"{}")
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        if parts[:2] == ["api", "datasets"] and len(parts) > 4:
            return self._api("/".join(parts[2:4]), parts[4], parts[5], "/".join(parts[6:]), parse_qs(url.query))
        if parts[0] == "datasets" and parts[3:4] == ["resolve"]:
            return self._file("/".join(parts[1:3]), parts[4], "/".join(parts[5:]))
        return self._error("EntryNotFound")

    def _api(self, repository: str, what: str, revision: str, below: str, query: dict[str, list[str]]) -> None:
        held = self.hub.repositories.get(repository)
        if held is None:
            return self._error("RepoNotFound", 401)
        commit = self.hub.branches.get(revision, revision)
        if commit not in held:
            return self._error("RevisionNotFound")
        if what == "revision":
            return self._send(200, json.dumps({"id": repository, "sha": commit}).encode())
        listing = self.hub.listed.get(commit)
        if listing is None:
            listing = [(p, len(d)) for p, d in held[commit].items() if not below or p.startswith(f"{below}/")]
        if below and not listing:
            return self._error("EntryNotFound")
        start = int(query.get("cursor", ["0"])[0])
        entries = [
            {"type": "file", "path": path, "size": size, "oid": "0" * 40} if size is not None
            else {"type": "directory", "path": path, "oid": "0" * 40}
            for path, size in listing[start : start + self.hub.page]
        ]  # fmt: skip
        more = start + self.hub.page
        here = f"{self.hub.url}{urlsplit(self.path).path}?cursor={more}"
        link = {"Link": f'<{here}>; rel="next"'} if more < len(listing) else {}
        return self._send(200, json.dumps(entries).encode(), link)

    def _file(self, repository: str, commit: str, path: str) -> None:
        data = self.hub.repositories.get(repository, {}).get(commit, {}).get(path)
        if data is None:
            return self._error("EntryNotFound")
        etag = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        return self._send(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": commit})

    def _error(self, code: str, status: int = 404) -> None:
        self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": code})

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub that this process and those that it starts ask, with caches of their own."""
    from huggingface_hub import constants

    made = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": made}))
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    cache = str(tmp_path / "hf")
    for name, value in {
        "HF_ENDPOINT": made.url,
        "HF_HUB_CACHE": cache,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", made.url)
    template = made.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", cache)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def quoted(text: str) -> str:
    """Return text as one part of an address."""
    return quote(text, safe="")
