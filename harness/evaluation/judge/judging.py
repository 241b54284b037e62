"""Judge a list of pairs in both orders: concurrent, cached, resumable."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from harness.config import JudgeConfig
from harness.config.plain import identity_of
from harness.errors import StageFailed
from harness.evaluation.judge.cache import Cache, Reply
from harness.evaluation.judge.outcome import Judged, rates
from harness.evaluation.judge.prompts import VERSION, Pair, messages, verdict
from harness.store.keys import digest
from harness.store.scores import ScoreRow

RULES = 2  # raise it when replies are turned into scores otherwise; replies in the cache stay valid
NO_CHANCE = 10  # so many refusals and no reply at all are no fault of single pairs

Chat = list[dict[str, str]]


class Refused(Exception):
    """A backend will not judge this one chat (too long, filtered); the message says why."""


class Backend(Protocol):
    """Something that answers a chat."""

    def ask(self, messages: Chat) -> Reply:
        """One reply; may block, may be called by several threads. Raises Refused."""


@dataclass(frozen=True)
class Answer:
    """What came back for one chat: its replies in order, of which the last one counts, how many
    requests were sent for them now, and why it was refused, if it was."""

    replies: tuple[Reply, ...]
    sent: int
    refused: str | None = None

    @property
    def verdict(self) -> str | None:
        """A, B or C; null where it was refused or no reply holds a verdict."""
        return None if self.refused is not None else verdict(self.replies[-1].text)

    @property
    def reason(self) -> str:
        """The text that counts."""
        return self.replies[-1].text if self.refused is None else f"refused: {self.refused}"


@dataclass
class Verdicts:
    """Everything that was judged, and what it cost: requests sent now; tokens and price (null
    where no price is set) of every reply, those that the cache held included."""

    judged: list[Judged]
    reasons: list[tuple[str, str]]
    usage: dict[str, float | None]

    def rows(self) -> list[ScoreRow]:
        """Score rows of a node."""
        return rates(self.judged)

    def counts(self) -> dict[str, int]:
        """How many pairs there are, and how many of them have no verdict or needed none."""
        names = ("identical", "malformed", "refused")
        found = {name: sum(getattr(item, name) for item in self.judged) for name in names}
        return {"pairs": len(self.judged), **found}


def judge_pairs(
    pairs: Sequence[Pair],
    rubric: str,
    judge: JudgeConfig,
    backend: Backend,
    cache: Cache,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verdicts:
    """Judge every pair with the candidate first and second.

    Equal answers are a tie that nobody is asked about, and equal chats are asked once. A reply
    without a verdict is asked for again, at most `malformed_retries` times; a refused chat is not.
    Raises what else the backend raises, and StageFailed where it refuses everything; every reply
    until then is in the cache, and the next call goes on from there.
    """
    chats: dict[str, Chat] = {}
    places: list[tuple[str, str] | None] = []
    for pair in pairs:
        if pair.candidate == pair.baseline:
            places.append(None)
            continue
        both = [messages(rubric, pair, swapped) for swapped in (False, True)]
        straight, swapped = (digest(chat) for chat in both)
        chats |= {straight: both[0], swapped: both[1]}
        places.append((straight, swapped))
    answers = _ask_all(chats, judge, _Asker(judge, backend, cache), progress)
    _require_a_reply(list(answers.values()))
    judged, reasons = [], []
    for pair, place in zip(pairs, places, strict=True):
        found = None if place is None else (answers[place[0]], answers[place[1]])
        judged.append(_judged(pair, found))
        reasons.append(("", "") if found is None else (found[0].reason, found[1].reason))
    return Verdicts(judged, reasons, _usage(list(answers.values()), judge))


def _ask_all(
    chats: dict[str, Chat],
    judge: JudgeConfig,
    asked: "_Asker",
    progress: Callable[[int, int], None],
) -> dict[str, Answer]:
    answers: dict[str, Answer] = {}
    with ThreadPoolExecutor(max_workers=judge.workers) as pool:
        try:
            for name, answer in zip(chats, pool.map(asked, chats.values()), strict=True):
                answers[name] = answer
                progress(len(answers), len(chats))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return answers


class _Asker:
    """Asks for a chat until there is a verdict; the cache answers first."""

    def __init__(self, judge: JudgeConfig, backend: Backend, cache: Cache) -> None:
        self.judge, self.backend, self.cache = judge, backend, cache
        self._failure: BaseException | None = None
        self._identity = judge_identity(judge)

    def __call__(self, chat: Chat) -> Answer:
        if self._failure is not None:
            raise self._failure  # what waits in the queue is not sent any more
        replies: list[Reply] = []
        sent = 0
        for attempt in range(self.judge.malformed_retries + 1):
            key = digest({"judge": self._identity, "chat": chat, "attempt": attempt})
            reply = self.cache.get(key)
            if reply is None:
                sent += 1
                try:
                    reply = self._ask(chat)
                except Refused as error:
                    return Answer(tuple(replies), sent, str(error))
                self.cache.put(key, reply)
            replies.append(reply)
            if verdict(reply.text) is not None:
                break
        return Answer(tuple(replies), sent)

    def _ask(self, chat: Chat) -> Reply:
        try:
            return self.backend.ask(chat)
        except Refused:
            raise
        except BaseException as error:
            self._failure = error
            raise


def _require_a_reply(answers: Sequence[Answer]) -> None:
    refusals = [answer.refused for answer in answers if answer.refused is not None]
    if len(refusals) == len(answers) >= NO_CHANCE:
        raise StageFailed(
            f"the judge refused all {len(answers)} requests, so nothing is judged; the last: "
            f"{refusals[-1]}"
        )


def _judged(pair: Pair, found: tuple[Answer, Answer] | None) -> Judged:
    lengths = len(pair.candidate), len(pair.baseline)
    if found is None:
        return Judged(None, None, lengths, identical=True)
    refused = any(answer.refused is not None for answer in found)
    return Judged(found[0].verdict, found[1].verdict, lengths, refused=refused)


def _usage(answers: Sequence[Answer], judge: JudgeConfig) -> dict[str, float | None]:
    """A reply without a verdict was paid for as well as the one that was asked for after it."""
    replies = [reply for answer in answers for reply in answer.replies]
    prompt = sum(reply.prompt_tokens for reply in replies)
    completion = sum(reply.completion_tokens for reply in replies)
    price = (prompt * judge.price_prompt + completion * judge.price_completion) / 1e6
    return {
        "requests_sent": sum(answer.sent for answer in answers),
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "price": price if judge.price_prompt or judge.price_completion else None,
    }


def judge_identity(judge: JudgeConfig) -> dict[str, Any]:
    """What of a judge changes its replies."""
    return {**identity_of(judge, "judge"), "prompts": VERSION}
