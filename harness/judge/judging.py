"""Judge a list of pairs in both orders: concurrent, cached, resumable."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from harness.config import JudgeConfig
from harness.errors import StageFailed
from harness.judge.cache import Cache, Reply
from harness.judge.outcome import Judged, rates
from harness.judge.prompts import VERSION, Pair, messages, verdict
from harness.keys import digest, identity


class Backend(Protocol):
    """Something that answers a chat."""

    def ask(self, messages: list[dict[str, str]]) -> Reply:
        """One reply; may block, may be called by several threads."""


@dataclass
class Verdicts:
    """Everything that was judged, and what it cost."""

    judged: list[Judged]
    reasons: list[tuple[str, str]]
    usage: dict[str, float]

    def rows(self) -> list[dict[str, object]]:
        """Score rows of a node."""
        return rates(self.judged)


def judge_pairs(
    pairs: Sequence[Pair],
    rubric: str,
    judge: JudgeConfig,
    backend: Backend,
    cache: Cache,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verdicts:
    """Judge every pair with the candidate first and second.

    A reply without a verdict is asked for again, at most `malformed_retries` times. Raises what the
    backend raises; every reply until then is in the cache, and the next call goes on from there.
    """
    asked = _Asker(rubric, judge, backend, cache)
    work = [(pair, swapped) for pair in pairs for swapped in (False, True)]
    replies: list[Reply] = []
    with ThreadPoolExecutor(max_workers=judge.workers) as pool:
        try:
            for reply in pool.map(lambda item: asked(*item), work):
                replies.append(reply)
                progress(len(replies), len(work))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    judged, reasons = [], []
    for index, pair in enumerate(pairs):
        straight, swapped = replies[2 * index], replies[2 * index + 1]
        lengths = len(pair.candidate), len(pair.baseline)
        judged.append(Judged(verdict(straight.text), verdict(swapped.text), lengths))
        reasons.append((straight.text, swapped.text))
    return Verdicts(judged, reasons, asked.usage(replies))


class _Asker:
    def __init__(self, rubric: str, judge: JudgeConfig, backend: Backend, cache: Cache) -> None:
        self.rubric, self.judge, self.backend, self.cache = rubric, judge, backend, cache
        self.sent, self.failed = 0, False
        self._identity = judge_identity(judge)

    def __call__(self, pair: Pair, swapped: bool) -> Reply:
        if self.failed:
            raise StageFailed("judging has stopped")
        chat = messages(self.rubric, pair, swapped)
        for attempt in range(self.judge.malformed_retries + 1):
            key = digest({"judge": self._identity, "chat": chat, "attempt": attempt})
            reply = self.cache.get(key)
            if reply is None:
                reply = self._ask(chat)
                self.sent += 1
                self.cache.put(key, reply)
            if verdict(reply.text) is not None:
                break
        return reply

    def _ask(self, chat: list[dict[str, str]]) -> Reply:
        try:
            return self.backend.ask(chat)
        except BaseException:
            self.failed = True  # what waits in the queue is not sent any more
            raise

    def usage(self, replies: Sequence[Reply]) -> dict[str, float]:
        """Requests sent now, and tokens and price of the replies that count, cached ones too."""
        prompt = sum(reply.prompt_tokens for reply in replies)
        completion = sum(reply.completion_tokens for reply in replies)
        price = prompt * self.judge.price_prompt + completion * self.judge.price_completion
        return {
            "requests_sent": self.sent,
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "price": price / 1e6,
        }


def judge_identity(judge: JudgeConfig) -> dict[str, Any]:
    """What of a judge changes its verdicts."""
    return {**identity(judge, "judge"), "prompts": VERSION}
