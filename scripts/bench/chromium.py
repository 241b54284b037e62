"""A headless Chromium that is driven over two pipes, with the standard library alone.

The DevTools protocol (https://chromedevtools.github.io/devtools-protocol): JSON messages that end
with a NUL; the browser reads them from file 3 and writes to file 4.
"""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "headless_shell")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--remote-debugging-pipe", "--hide-scrollbars"),
)
_PATIENCE = 120.0  # seconds until a command is taken to hang


def found() -> str | None:
    """The program, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """A tab of a browser. errors: what its pages complained of."""

    def __init__(self, browser: "_Browser", session: str) -> None:
        self._browser, self._session = browser, session
        self.errors = list[str]()
        browser.listeners[session] = self._hear
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send a command and return its result. Raises RuntimeError where it is refused."""
        return self._browser.call(method, parameters, self._session)

    def open(self, address: str) -> float:
        """Go to a page; returns the seconds until it had loaded and was painted."""
        started = time.monotonic()
        self.loaded = False
        self.call("Page.navigate", url=address)
        self._browser.hear_until(lambda: self.loaded)
        painted = "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
        self.run(painted)
        return time.monotonic() - started

    def run(self, script: str) -> Any:
        """The value of an expression, awaited. Raises RuntimeError where it throws."""
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = self.call("Runtime.evaluate", userGesture=True, **asked)
        if thrown := answer.get("exceptionDetails"):
            raise RuntimeError(str(thrown.get("exception", thrown).get("description", thrown)))
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key and let it go; code: as Windows counts them."""
        told = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **told)

    def size(self, width: int, height: int) -> None:
        """What the page has room for, in pixels."""
        place = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **place)

    def scheme(self, name: str) -> None:
        """`light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path: Path) -> None:
        """What is to be seen, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def pdf(self, path: Path) -> None:
        """The page as it is printed."""
        path.write_bytes(base64.b64decode(self.call("Page.printToPDF")["data"]))

    def _hear(self, method: str, told: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(told["exceptionDetails"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.errors.append(told["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert"):
            self.errors.append(json.dumps(told["args"]))


class _Browser:
    """The two ends of the pipes."""

    def __init__(self, to: int, back: int) -> None:
        self.to, self.back = to, back
        self.listeners: dict[str, Any] = {}
        self._buffer = b""
        self._answers: dict[int, dict[str, Any]] = {}
        self._count = 0

    def call(self, method: str, parameters: dict[str, object], session: str = "") -> dict[str, Any]:
        self._count += 1
        mine = self._count
        message: dict[str, object] = {"id": mine, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        rest = memoryview(json.dumps(message).encode() + b"\0")
        while rest:
            rest = rest[os.write(self.to, rest) :]
        self.hear_until(lambda: mine in self._answers)
        answer = self._answers.pop(mine)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def hear_until(self, done: Any) -> None:
        """Read messages until something is so."""
        deadline = time.monotonic() + _PATIENCE
        while not done():
            ready, _, _ = select.select([self.back], [], [], max(0, deadline - time.monotonic()))
            part = os.read(self.back, 1 << 16) if ready else b""
            if not part:
                raise RuntimeError("the browser does not answer" if not ready else "it has ended")
            *whole, self._buffer = (self._buffer + part).split(b"\0")
            for message in map(json.loads, whole):
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
        elif listener := self.listeners.get(message.get("sessionId", "")):
            listener(message["method"], message["params"])


@contextmanager
def chromium(program: str) -> Iterator[Tab]:
    """A tab of a browser that ends with the context, its profile and children with it."""
    theirs_in, to = os.pipe()
    back, theirs_out = os.pipe()

    def numbered() -> None:
        """In the child: the pipes get the numbers that the browser knows."""
        high = [os.dup2(end, 100 + at) for at, end in enumerate((theirs_in, theirs_out))]
        for number, end in zip((3, 4), high, strict=True):
            os.dup2(end, number, inheritable=True)

    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        command = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            command,
            preexec_fn=numbered,
            close_fds=False,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            browser = _Browser(to, back)
            made = browser.call("Target.createTarget", {"url": "about:blank"})
            asked = {"targetId": made["targetId"], "flatten": True}
            yield Tab(browser, browser.call("Target.attachToTarget", asked)["sessionId"])
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(to)
            os.close(back)
