"""A local stand-in for the Hugging Face hub: the part of its HTTP interface that downloads use."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_API = re.compile(r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+))?")
_FILE = re.compile(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class Hub(ThreadingHTTPServer):
    """Repositories are folders: `repos["models", "org/name"]`; `bodies` counts files sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[tuple[str, str], Path] = {}
        self.gated: set[str] = set()
        self.requests: list[str] = []
        self.bodies: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = _API.fullmatch(path)
        if found:
            return self._describe(found[1], found[2], found[3], found[4], body)
        found = _FILE.fullmatch(path)
        if found:
            return self._file(found[1] or "models", found[2], found[3], found[4])
        return self._refuse(404, "EntryNotFound")

    def _repo(self, kind: str, name: str, revision: str | None) -> Path | None:
        folder = self.server.repos.get((kind, name))
        if folder is None:
            self._refuse(401, "RepoNotFound")
        elif revision not in (None, "main", COMMIT):
            self._refuse(404, "RevisionNotFound")
        else:
            return folder
        return None

    def _describe(self, kind: str, name: str, what: str, revision: str, body: bytes) -> None:
        folder = self._repo(kind, name, revision)
        if folder is None:
            return
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        if what in ("tree", "paths-info"):
            listed = [_entry(folder, path) for path in files]
            if what == "paths-info":
                asked = _asked(body)
                listed = [entry for entry in listed if entry["path"] in asked]
            return self._send(listed)
        siblings = [{"rfilename": path.relative_to(folder).as_posix()} for path in files]
        about = {"id": name, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
        return self._send(about | {"downloads": 0, "likes": 0, "gated": False, "disabled": False})

    def _file(self, kind: str, name: str, revision: str, file: str) -> None:
        folder = self._repo(kind, name, revision)
        if folder is None:
            return
        if name in self.server.gated:
            return self._refuse(403, "GatedRepo")
        path = folder / file
        if not path.is_file():
            return self._refuse(404, "EntryNotFound")
        if self.command == "GET":
            self.server.bodies.append(file)
        content = path.read_bytes()
        return self._send(content, etag=_oid(content))

    def _send(self, content: object, etag: str | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(200)
        kind = "application/octet-stream" if etag else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Repo-Commit", COMMIT)
        if etag:
            self.send_header("ETag", f'"{etag}"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _asked(body: bytes) -> list[str]:
    try:
        return json.loads(body)["paths"]
    except ValueError:
        return re.findall(r"paths=([^&]+)", unquote(body.decode()))


def _oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(folder: Path, path: Path) -> dict[str, object]:
    name = path.relative_to(folder).as_posix()
    content = path.read_bytes()
    return {"type": "file", "path": name, "size": len(content), "oid": _oid(content)}


@contextmanager
def serve() -> Iterator[Hub]:
    """A running hub."""
    with Hub() as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.shutdown()
