"""A local OpenAI-compatible server that judges by a fixed rule and misbehaves on request.

Rule: the longer answer wins. `trouble` is a list of (status, headers, body) or words that are used
up one request at a time before it answers properly: "slow" (longer than any timeout here), "reset"
(the connection breaks), "broken" (no JSON), "undecided" (a reply without a verdict).
"""

import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_ANSWERS = re.compile(r"<answer of [AB]>\n(.*?)\n</answer of [AB]>", re.DOTALL)


class Endpoint:
    """Use as a context manager; `url` is the base URL."""

    def __init__(self, trouble: tuple[Any, ...] = (), delay: float = 0.0) -> None:
        self.trouble, self.delay = list(trouble), delay
        self.answered: Counter[str] = Counter()
        self.requests = self.most_at_once = self._at_once = 0
        self.keys: set[str] = set()
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self) -> "Endpoint":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def enter(self, key: str) -> Any:
        """Count a request in; returns the trouble that it is to meet, if any."""
        with self.lock:
            self.requests += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.keys.add(key)
            return self.trouble.pop(0) if self.trouble else None

    def leave(self) -> None:
        """Count a request out."""
        with self.lock:
            self._at_once -= 1


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            trouble = endpoint.enter(self.headers["Authorization"])
            try:
                self._answer(trouble)
            finally:
                endpoint.leave()

        def _answer(self, trouble: Any) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = body["messages"][-1]["content"]
            time.sleep(endpoint.delay)
            if trouble == "slow":
                time.sleep(3)
            elif trouble == "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                return
            elif trouble == "broken":
                self._send(200, {}, "this is no JSON")
                return
            elif isinstance(trouble, tuple):
                self._send(*trouble)
                return
            text = "They differ.\nA wins, I think" if trouble == "undecided" else _judge(asked)
            if trouble != "slow":
                with endpoint.lock:
                    endpoint.answered[asked] += 1
            usage = {"prompt_tokens": 100, "completion_tokens": 10}
            reply = {"choices": [{"message": {"content": text}}], "usage": usage}
            self._send(200, {}, json.dumps(reply))

        def _send(self, status: int, headers: dict[str, str], text: str | bytes) -> None:
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text if isinstance(text, bytes) else text.encode())
            except OSError:
                pass  # the client gave up waiting

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _judge(asked: str) -> str:
    first, second = _ANSWERS.findall(asked)
    verdict = "C" if len(first) == len(second) else "A" if len(first) > len(second) else "B"
    return f"The longer one.\n[[{verdict}]]"
