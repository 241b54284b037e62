"""Fetching one large file over HTTP: what has arrived is kept, and the next call goes on there."""

import os
import sys
import time
from pathlib import Path
from typing import Self

import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from harness.data.trace.archive import refuse_other_kinds
from harness.errors import DataError
from harness.store.files import file_sha256

DRIVE_ID = "1S0SmU0WEw5okW_XvP2Ns0URflNzZq6sV"
PUBLISHED = f"https://drive.usercontent.google.com/download?id={DRIVE_ID}&export=download&confirm=t"
ATTEMPTS = 4
TIMEOUT_SECONDS = (20, 60)
_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
_CHUNK = 1 << 16  # what a break loses at most
_TELL = 10_000_000


def download(url: str, target: Path, sha256: str | None = None) -> Path:
    """Fetch `url` to `target` through `target`.part, resuming what is there; returns `target`.

    A file that is complete is not fetched again. A connection that breaks is taken up again,
    until ATTEMPTS in a row bring nothing. Raises DataError in one line: no network, an HTTP error,
    a web page instead of a file, a hash other than `sha256`.
    """
    if not target.is_file():
        part = target.with_name(f"{target.name}.part")
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            _fetch(url, part)
        except _NO_ADDRESS:
            raise DataError(f"--url {url}: not an address; give http(s)://...") from None
        except requests.RequestException as error:
            raise DataError(f"{url}: {' '.join(str(error).split())[:200]}") from None
        except OSError as error:
            raise DataError(f"{part}: cannot be written: {error.strerror or error}") from None
        _refuse_web_page(part)
        _check_hash(part, sha256)
        os.replace(part, target)
    else:
        _check_hash(target, sha256)
    return target


def _refuse_web_page(part: Path) -> None:
    """A server may send a page under any content type; it must not be taken up again."""
    try:
        refuse_other_kinds(part)
    except DataError as error:
        part.unlink()
        raise DataError(str(error).replace(str(part), "the download", 1)) from None


def _check_hash(path: Path, expected: str | None) -> None:
    if expected is None:
        return
    found = file_sha256(path)
    if found != expected.lower():
        raise DataError(f"{path}: sha256 is {found}, not {expected}; remove it to fetch it again")


def _fetch(url: str, part: Path) -> None:
    """Fill `part` to the end, in as many requests as it takes."""
    idle = 0
    with _Progress(part.name.removesuffix(".part")) as progress:
        while True:
            before = _size(part)
            try:
                return _request(url, part, progress)
            except (
                requests.ConnectionError,
                requests.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ) as error:
                idle = 0 if _size(part) > before else idle + 1
                if not progress.reached or idle == ATTEMPTS:
                    raise DataError(_unreachable(url, part)) from error
            time.sleep(idle)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _unreachable(url: str, part: Path) -> str:
    kept = f" ({_size(part):,} bytes are kept, the same command goes on there)"
    return (
        f"{url} cannot be reached{kept if _size(part) else ''}; without network here, fetch it on "
        "another machine with a browser or curl -L, copy it over and pass --archive <file>"
    )


def _request(url: str, part: Path, progress: "_Progress") -> None:
    """One request from where `part` ends; a server that ignores the range starts it afresh."""
    start = _size(part)
    headers = {"Accept-Encoding": "identity"}
    tag = part.with_name(f"{part.name}.etag")
    if start:
        headers["Range"] = f"bytes={start}-"
        if tag.is_file():
            headers["If-Range"] = tag.read_text()
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            if response.headers.get("Content-Range", "").endswith(f"/{start}"):
                return  # all of it had arrived
            part.unlink()
            return _request(url, part, progress)  # not the file that the part began with
        if response.status_code >= 400:
            raise DataError(
                f"{url}: HTTP {response.status_code} {response.reason}; try again later (what has "
                "arrived is kept), give another --url, or fetch it with a browser and use --archive"
            )
        resumed = _continues(response, start)
        begun = start if resumed else 0
        _remember(tag, response.headers.get("ETag"))
        length = response.headers.get("Content-Length")
        progress.begin(begun, begun + int(length) if length else None)
        with part.open("ab" if resumed else "wb") as stream:
            for chunk in response.iter_content(_CHUNK):
                stream.write(chunk)
                progress.advance(len(chunk))
    tag.unlink(missing_ok=True)
    return None


def _continues(response: requests.Response, start: int) -> bool:
    """True where the server sends what was asked for, not the whole file."""
    partial = response.status_code == requests.codes.partial_content
    return partial and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _remember(tag: Path, value: str | None) -> None:
    """A strong ETag makes a resumed request safe against a file that changed meanwhile."""
    if value and not value.startswith("W/"):
        tag.write_text(value)


class _Progress:
    """A bar with the time left on a terminal, one line per tenth elsewhere."""

    def __init__(self, name: str) -> None:
        console = Console(stderr=True)
        self.name, self.live = name, console.is_terminal
        self.total: int | None = None
        self.done = self.told = self.first = 0
        self.reached = False
        self.started = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not self.live,
        )
        self.task = self.bar.add_task(name, total=None)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def begin(self, at: int, total: int | None) -> None:
        """A request starts at byte `at` of `total`."""
        self.done = self.first = at
        self.reached = True
        self.total, self.started = total, time.monotonic()
        self.told = at
        self.bar.update(self.task, completed=at, total=total)
        if at and not self.live:
            print(f"{self.name}: going on at {at:,} bytes", file=sys.stderr)

    def advance(self, count: int) -> None:
        """So many more bytes have arrived."""
        self.done += count
        self.bar.update(self.task, completed=self.done)
        step = max((self.total or 0) / 10, _TELL)
        if not self.live and self.done - self.told >= step:
            self.told = self.done
            of = f" of {self.total:,}" if self.total else ""
            left = self._seconds_left()
            print(f"{self.name}: {self.done:,}{of} bytes{left}", file=sys.stderr, flush=True)

    def _seconds_left(self) -> str:
        spent, arrived = time.monotonic() - self.started, self.done - self.first
        if self.total is None or not arrived:
            return ""
        minutes, seconds = divmod(round(spent * (self.total - self.done) / arrived), 60)
        return f" · left {minutes}:{seconds:02d}"
