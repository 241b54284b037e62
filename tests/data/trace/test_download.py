"""Fetching over a real HTTP server that also misbehaves: nothing is fetched twice or kept wrong."""

import hashlib
import io
import json
import re
import socket
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.command import harness

from harness.data.trace.archive import known_counts
from harness.data.trace.download import download
from harness.errors import DataError

CONTENT = bytes(range(256)) * 20_000  # 5 MB


class Server(ThreadingHTTPServer):
    """Serves `content`; the switches say how it misbehaves."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.etag = '"one"'
        self.drops: list[int] = []  # answers so many bytes of a body, then hangs up
        self.ranges = True
        self.status = 200
        self.kind = "application/octet-stream"
        self.seen: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/trace.zip"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *arguments: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.seen.append(asked)
        if server.status >= 400:
            self.send_error(server.status)
            return
        begin = 0
        fresh = self.headers.get("If-Range", server.etag) == server.etag
        if asked and server.ranges and fresh:
            begin = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
        total = len(server.content)
        if begin >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = server.content[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{total - 1}/{total}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", server.kind)
        self.send_header("ETag", server.etag)
        self.end_headers()
        if server.drops:
            self.wfile.write(body[: server.drops.pop(0)])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    # A zip's first bytes, which the download looks at.
    with Server(b"PK\x03\x04" + CONTENT) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def fetched(server: Server, target: Path) -> bool:
    assert not target.with_name(f"{target.name}.part").exists()
    return target.read_bytes() == server.content


def test_whole_and_again(server: Server, tmp_path: Path) -> None:
    target = download(server.url, tmp_path / "deep" / "trace.zip")
    assert fetched(server, target)
    download(server.url, target)
    assert server.seen == [None]
    assert [path.name for path in target.parent.iterdir()] == ["trace.zip"]


def test_a_dropped_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.drops = [2_000_000, 1_000_000]
    assert fetched(server, download(server.url, tmp_path / "trace.zip"))
    places = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in server.seen[1:]]
    lost = 1 << 16  # at most, a break
    assert 2_000_000 - lost <= places[0] <= 2_000_000
    assert places[0] + 1_000_000 - lost <= places[1] <= places[0] + 1_000_000


def test_a_later_call_goes_on_with_the_part(server: Server, tmp_path: Path) -> None:
    (tmp_path / "trace.zip.part").write_bytes(server.content[:3_000_000])
    assert fetched(server, download(server.url, tmp_path / "trace.zip"))
    assert server.seen == ["bytes=3000000-"]


def test_a_complete_part_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "trace.zip.part").write_bytes(server.content)
    assert fetched(server, download(server.url, tmp_path / "trace.zip"))
    assert server.seen == [f"bytes={len(server.content)}-"]


def test_a_part_longer_than_the_file_starts_afresh(server: Server, tmp_path: Path) -> None:
    (tmp_path / "trace.zip.part").write_bytes(server.content + b"more")
    assert fetched(server, download(server.url, tmp_path / "trace.zip"))


def test_a_server_that_ignores_ranges(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.drops = [2_000_000]
    assert fetched(server, download(server.url, tmp_path / "trace.zip"))
    assert len(server.seen) == 2


def test_a_file_that_changed_meanwhile_starts_afresh(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.data.trace.download.ATTEMPTS", 1)
    server.drops = [2_000_000] * 9
    server.ranges = False
    with pytest.raises(DataError, match="bytes are kept"):
        download(server.url, tmp_path / "trace.zip")
    server.drops, server.ranges, server.etag = [], True, '"two"'
    server.content = b"PK\x03\x04" + CONTENT[::-1]
    assert fetched(server, download(server.url, tmp_path / "trace.zip"))


def test_hashes(server: Server, tmp_path: Path) -> None:
    right = hashlib.sha256(server.content).hexdigest()
    target = tmp_path / "trace.zip"
    with pytest.raises(DataError, match=f"sha256 is {right}, not abc"):
        download(server.url, target, "abc")
    assert not target.exists()
    assert fetched(server, download(server.url, target, right.upper()))  # what arrived was kept
    assert len(server.seen) == 2
    with pytest.raises(DataError, match="not abc"):
        download(server.url, target, "abc")


def test_a_web_page_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.content = b"<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title></html>"
    for kind in ("text/html; charset=utf-8", "application/octet-stream"):
        server.kind = kind
        with pytest.raises(DataError, match="a web page, not a zip file") as caught:
            download(server.url, tmp_path / "trace.zip")
        assert "\n" not in str(caught.value)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [404, 403, 500])
def test_http_errors_keep_what_is_there(status: int, server: Server, tmp_path: Path) -> None:
    part = tmp_path / "trace.zip.part"
    part.write_bytes(server.content[:1000])
    server.status = status
    with pytest.raises(DataError, match=f"HTTP {status}"):
        download(server.url, tmp_path / "trace.zip")
    assert part.read_bytes() == server.content[:1000]


@pytest.fixture(scope="module")
def small_archive() -> bytes:
    """One task of size 500 as a zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for split in ("train", "eval", "test"):
            count = known_counts()["500"]["FOMC"][split]
            rows = [{"prompt": f"{split} {i}", "answer": "A"} for i in range(count)]
            target.writestr(f"T/LLM-CL-Benchmark_500/FOMC/{split}.json", json.dumps(rows))
    return packed.getvalue()


def test_the_command_fetches_checks_and_writes(
    small_archive: bytes, server: Server, tmp_path: Path
) -> None:
    server.content = small_archive
    server.drops = [len(small_archive) // 2]
    options = ("data", "trace", "--download", "--url", server.url, "--out", str(tmp_path))
    done = harness(*options, "--allow-other")
    assert done.returncode == 0, done.stderr
    assert f"sha256 {hashlib.sha256(small_archive).hexdigest()}" in done.stderr
    assert "no official one is published" in done.stderr
    assert (tmp_path / "500" / "FOMC" / "test.json").is_file()
    again = harness(*options, "--allow-other")
    assert "0 files copied, 3 verified" in again.stdout
    assert len(server.seen) == 2


def test_without_network(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/trace.zip"
        done = harness("data", "trace", "--download", "--url", url, "--out", str(tmp_path / "o"))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {url} cannot be reached; without network here, fetch it on")
    assert "--archive <file>" in line
    done = harness("data", "trace", "--download", "--url", "nowhere", "--out", str(tmp_path / "o"))
    assert done.returncode == 2
    assert "--url nowhere: not an address; give http(s)://..." in done.stderr
