"""A judge behind an OpenAI-compatible endpoint: retries, backoff, limited requests per minute."""

import json
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from harness.config import JudgeConfig
from harness.errors import ConfigError, StageFailed, printable
from harness.evaluation.judge.cache import Reply
from harness.evaluation.judge.judging import Chat, Refused

LONGEST_WAIT = 60.0
LARGEST_REPLY = 4_000_000  # bytes, unpacked
WHOLE_REPLY = 10  # times the seconds after which silence is an error
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
MOST_TOKENS = 10**9  # that a reply may say it cost
PASSING = (408, 409, 425, 429)  # and every 5xx: the same request may succeed later
REFUSALS = (400, 413, 422)  # of this one chat: too long, filtered


class RateLimit:
    """Spaces requests evenly, over all threads."""

    def __init__(
        self,
        per_minute: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._next = float("-inf")

    def wait(self) -> None:
        """Return when the next request may go out."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._gap
        if turn > now:
            self._sleep(turn - now)


def api_key(judge: JudgeConfig) -> str:
    """The key, from the environment alone. Raises ConfigError naming the variable."""
    key = os.environ.get(judge.key_variable, "")
    if not key:
        raise ConfigError(
            f"judge.key_variable: the environment variable {judge.key_variable} holds no key; "
            "export it (any word for an endpoint that wants none)"
        )
    return key


class HttpJudge:
    """Asks `<base_url>/chat/completions`. Thread-safe."""

    def __init__(self, judge: JudgeConfig, sleep: Callable[[float], None] = time.sleep) -> None:
        self.judge = judge
        self._key = api_key(judge)
        self._url = f"{str(judge.base_url).rstrip('/')}/chat/completions"
        self._limit = RateLimit(judge.requests_per_minute)
        self._sleep = sleep

    def ask(self, messages: Chat) -> Reply:
        """One reply. Raises Refused where the endpoint will not judge this chat, StageFailed after
        `attempts` tries, or at once where no request can succeed (a wrong key, no such model)."""
        cause, wait = "", None
        for attempt in range(self.judge.attempts):
            if attempt:
                self._sleep(self._pause(attempt, wait))
            self._limit.wait()
            reply, cause, wait = self._try(messages)
            if reply is not None:
                return reply
        told = f"after {self.judge.attempts} tries: {cause}"
        raise StageFailed(f"the judge at {self._url} failed {told}; what was judged is kept")

    def _try(self, messages: Chat) -> tuple[Reply | None, str, float | None]:
        """(reply, or why there is none, and how long the endpoint asks to wait)."""
        import requests

        body = {
            "model": self.judge.model,
            "messages": messages,
            "temperature": self.judge.temperature,
            "max_tokens": self.judge.max_tokens,
        }
        try:
            with requests.post(
                self._url,
                json=body,
                auth=self._authorize,
                timeout=self.judge.timeout_seconds,
                allow_redirects=False,
                stream=True,
            ) as answer:
                text = _text(answer, WHOLE_REPLY * self.judge.timeout_seconds)
        except requests.RequestException as error:
            if UNTRUSTED in str(error):
                raise StageFailed(
                    f"the judge at {self._url} has no certificate that is trusted here, so it gets "
                    "no key (REQUESTS_CA_BUNDLE names a file of others to trust)"
                ) from None
            return None, type(error).__name__, None
        if text is None:
            return None, f"a reply of more than {LARGEST_REPLY:,} bytes, or one without end", None
        if answer.status_code in PASSING or answer.status_code >= 500:
            return None, f"HTTP {answer.status_code}", _retry_after(answer.headers)
        self._require_reply(answer, text)
        return _read(text)

    def _authorize(self, request: Any) -> Any:
        """Puts the key into a request. requests would prefer a password of ~/.netrc to a header."""
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    def _require_reply(self, answer: Any, text: str) -> None:
        """Raise Refused where the endpoint will not judge this chat, StageFailed for what no other
        request will get past."""
        status, told = answer.status_code, _short(text)
        if status in REFUSALS:
            raise Refused(f"HTTP {status}: {told}")
        if 300 <= status < 400:
            raise StageFailed(
                f"the judge at {self._url} sends on to {_short(answer.headers.get('Location'))}, "
                "which gets no key; if that is right, give it as judge.base_url"
            )
        if status != 200:
            raise StageFailed(
                f"the judge at {self._url} answered HTTP {status} to model "
                f"'{self.judge.model}': {told}"
            )

    def _pause(self, attempt: int, wait: float | None) -> float:
        if wait is not None:
            return min(wait, LONGEST_WAIT)
        backoff = min(LONGEST_WAIT, self.judge.backoff_seconds * 2 ** (attempt - 1))
        return backoff * random.uniform(0.5, 1.0)


def _text(answer: Any, seconds: float) -> str | None:
    """What an endpoint sends; None for more than a judge has to say, and where it takes longer."""
    begun, found = time.monotonic(), bytearray()
    for piece in answer.iter_content(1 << 16):
        found += piece
        if len(found) > LARGEST_REPLY or time.monotonic() - begun > seconds:
            return None
    return found.decode("utf-8", errors="replace")


def _short(text: object) -> str:
    """The beginning of what others wrote, in one line and without control characters."""
    return " ".join(printable(str(text)).split())[:200]


def _read(reply: str) -> tuple[Reply | None, str, float | None]:
    try:
        body = json.loads(reply)
        text = body["choices"][0]["message"]["content"]
        usage = body.get("usage")
        counts = [_count(usage, name) for name in ("prompt_tokens", "completion_tokens")]
        told = str(text or "").encode("utf-8", errors="replace").decode()  # halves of characters
        return Reply(told, *counts), "", None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return None, f"a reply that is no chat completion ({type(error).__name__})", None


def _count(usage: Any, name: str) -> int:
    """Tokens that an endpoint tells; a reply that is paid for is kept where it tells none."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return int(value) if isinstance(value, int | float) and 0 <= value < MOST_TOKENS else 0


def _retry_after(headers: Any) -> float | None:
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return None
