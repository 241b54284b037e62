"""A real HTTP endpoint that misbehaves: nothing is judged twice, nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.endpoint import Endpoint
from support.places import REPOSITORY

from harness.config import JudgeBackend, JudgeConfig
from harness.errors import StageFailed
from harness.evaluation.judge.cache import Cache
from harness.evaluation.judge.http import HttpJudge, RateLimit
from harness.evaluation.judge.judging import Verdicts, judge_pairs
from harness.evaluation.judge.prompts import Pair

SECRET = "sk-very-secret"
PAIRS = [Pair(f"Question {i}?", "x" * (5 + i % 3), "y" * 6) for i in range(12)]
RESULTS = ["lose" if i % 3 == 0 else "tie" if i % 3 == 1 else "win" for i in range(12)]


def settings(url: str, **changes: object) -> JudgeConfig:
    given = {"timeout_seconds": 1.0, "backoff_seconds": 0.001, **changes}
    return JudgeConfig(backend=JudgeBackend.http, base_url=url, model="m", **given)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", SECRET)


def run(endpoint: Endpoint, place: Path, pairs: list[Pair] = PAIRS, **changes: object) -> Verdicts:
    judge = settings(endpoint.url, **changes)
    cache = Cache(place / "judge.sqlite")
    return judge_pairs(pairs, "helpful", judge, HttpJudge(judge), cache)


TROUBLES = {
    "limit": [(429, {"Retry-After": "0"}, "slow down")] * 3,
    "server": [(500, {}, "oops"), (503, {}, "")],
    "reset": ["reset", "reset"],
    "timeout": ["slow"],
    "broken": ["broken", (200, {}, "{}"), (200, {}, '{"choices": []}')],
    "mixed": ["reset", (429, {"Retry-After": "0.01"}, ""), "broken", (502, {}, ""), "slow"],
}


@pytest.mark.parametrize("name", TROUBLES)
def test_trouble_changes_no_verdict(name: str, tmp_path: Path) -> None:
    with Endpoint(tuple(TROUBLES[name])) as endpoint:
        found = run(endpoint, tmp_path)
        assert [item.result for item in found.judged] == RESULTS
        assert set(endpoint.answered.values()) == {1}
        assert len(endpoint.answered) == 24
        assert endpoint.requests == 24 + len(TROUBLES[name])
        again = run(endpoint, tmp_path)
        assert endpoint.requests == 24 + len(TROUBLES[name])
    assert [item.result for item in again.judged] == RESULTS
    assert again.usage["requests_sent"] == 0
    assert again.usage["prompt_tokens"] == 2400


def test_a_reply_without_a_verdict_is_asked_again_and_then_counted(tmp_path: Path) -> None:
    with Endpoint(("undecided", "undecided")) as endpoint:
        found = run(endpoint, tmp_path, workers=1)
        assert not any(item.malformed for item in found.judged)
        assert endpoint.requests == 26
    with Endpoint(("undecided",) * 3) as endpoint:
        found = run(endpoint, tmp_path / "other", workers=1)
        assert [item.malformed for item in found.judged] == [True] + [False] * 11
        malformed = next(row for row in found.rows() if row["metric"] == "malformed")
        assert malformed["value"] == pytest.approx(1 / 12)
        run(endpoint, tmp_path / "other", workers=1)
        assert endpoint.requests == 26


def test_equal_answers_are_a_tie_that_nobody_is_asked_about(tmp_path: Path) -> None:
    same = [Pair(f"Question {i}?", "the same", "the same") for i in range(10)]
    with Endpoint() as endpoint:
        found = run(endpoint, tmp_path, [*same, *PAIRS[:2]])
        assert endpoint.requests == 4
    assert [item.result for item in found.judged] == ["tie"] * 10 + RESULTS[:2]
    assert found.counts() == {"pairs": 12, "identical": 10, "malformed": 0, "refused": 0}
    with Endpoint() as endpoint:
        assert run(endpoint, tmp_path / "other", same).usage["requests_sent"] == 0
        assert endpoint.requests == 0


def test_equal_chats_are_asked_once(tmp_path: Path) -> None:
    """Five times one pair, and five times the same two answers the other way round."""
    pair, mirrored = Pair("Why?", "longer", "short"), Pair("Why?", "short", "longer")
    with Endpoint(delay=0.05) as endpoint:
        found = run(endpoint, tmp_path, [pair, mirrored] * 5, workers=8)
        assert endpoint.requests == 2
        assert set(endpoint.answered.values()) == {1}
    assert [item.result for item in found.judged] == ["win", "lose"] * 5
    assert found.usage["requests_sent"] == 2
    assert found.usage["prompt_tokens"] == 200


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_chat_that_is_refused_costs_one_pair(status: int, tmp_path: Path) -> None:
    with Endpoint(((status, {}, "context\nlength exceeded"),)) as endpoint:
        found = run(endpoint, tmp_path, workers=1)
        assert endpoint.requests == 24
        assert [item.malformed for item in found.judged] == [True] + [False] * 11
        assert found.counts() == {"pairs": 12, "identical": 0, "malformed": 1, "refused": 1}
        assert found.reasons[0][0] == f"refused: HTTP {status}: context length exceeded"
        rows = {row["metric"]: row for row in found.rows()}
        assert rows["judge_refused"]["value"] == rows["malformed"]["value"] == pytest.approx(1 / 12)
        assert rows["win"]["n"] == 11
        again = run(endpoint, tmp_path, workers=1)
        assert endpoint.requests == 25
    assert [item.result for item in again.judged] == RESULTS


def test_a_judge_that_refuses_everything_has_judged_nothing(tmp_path: Path) -> None:
    trouble = ((400, {}, "max_tokens is not supported"),)
    with Endpoint(trouble * 24) as endpoint:
        with pytest.raises(StageFailed, match=r"refused all 24 requests, .*: HTTP 400: max_"):
            run(endpoint, tmp_path)
        assert [item.result for item in run(endpoint, tmp_path).judged] == RESULTS
    with Endpoint(trouble * 2) as endpoint:
        few = run(endpoint, tmp_path / "other", PAIRS[:1])
    assert [item.refused for item in few.judged] == [True]


def _completion(text: str | None, usage: object) -> tuple[int, dict, str]:
    return 200, {}, json.dumps({"choices": [{"message": {"content": text}}], "usage": usage})


@pytest.mark.parametrize("usage", [{"prompt_tokens": None, "completion_tokens": None}, None, []])
def test_a_reply_without_counts_is_kept(usage: object, tmp_path: Path) -> None:
    """The first answer is the shorter one, so B."""
    with Endpoint((_completion("Shorter.\n[[B]]", usage),)) as endpoint:
        found = run(endpoint, tmp_path, workers=1)
        assert endpoint.requests == 24
    assert [item.result for item in found.judged] == RESULTS
    assert found.usage["prompt_tokens"] == 2300


def test_every_reply_that_was_paid_for_is_counted(tmp_path: Path) -> None:
    """Two replies without a verdict, one of them without any text, before the first one with."""
    nothing = _completion(None, {"prompt_tokens": 7, "completion_tokens": 3})
    with Endpoint(("undecided", nothing)) as endpoint:
        prices = {"price_prompt": 2.0, "price_completion": 1000.0}
        found = run(endpoint, tmp_path, workers=1, **prices)
        again = run(endpoint, tmp_path, workers=1)
        assert endpoint.requests == 26
    assert not any(item.malformed for item in found.judged)
    assert found.usage["requests_sent"] == 26
    assert found.usage["prompt_tokens"] == again.usage["prompt_tokens"] == 2400 + 100 + 7
    assert found.usage["completion_tokens"] == 240 + 10 + 3
    assert found.usage["price"] == pytest.approx((2507 * 2 + 253 * 1000) / 1e6)
    assert again.usage["price"] is None


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_cannot_pass_stops_at_once(status: int, tmp_path: Path) -> None:
    with Endpoint(((status, {}, "no such model"),)) as endpoint:
        with pytest.raises(StageFailed, match=f"HTTP {status} to model 'm': no such model"):
            run(endpoint, tmp_path, workers=1)
        assert endpoint.requests == 1


def test_an_endpoint_that_is_down_is_named_after_all_tries(tmp_path: Path) -> None:
    with Endpoint() as endpoint:
        url = endpoint.url
    judge = settings(url, attempts=3)
    backend, cache = HttpJudge(judge), Cache(tmp_path / "c.sqlite")
    with pytest.raises(StageFailed, match="after 3 tries: ConnectionError; what was judged is"):
        judge_pairs(PAIRS, "helpful", judge, backend, cache)


def test_what_was_judged_before_the_end_is_kept(tmp_path: Path) -> None:
    good, bad = [None] * 10, [(401, {}, "expired")]
    with Endpoint((*good, *bad)) as endpoint:
        with pytest.raises(StageFailed, match="HTTP 401"):
            run(endpoint, tmp_path, workers=1)
        assert len(endpoint.answered) == 10
        found = run(endpoint, tmp_path, workers=1)
        assert [item.result for item in found.judged] == RESULTS
        assert set(endpoint.answered.values()) == {1}


def test_no_more_requests_at_once_than_workers(tmp_path: Path) -> None:
    with Endpoint(delay=0.2) as endpoint:
        run(endpoint, tmp_path, workers=3)
        assert endpoint.most_at_once == 3


def test_requests_are_spaced_over_the_minute() -> None:
    slept: list[float] = []
    limit = RateLimit(120, clock=lambda: sum(slept), sleep=slept.append)
    for _ in range(5):
        limit.wait()
    assert slept == [0.5] * 4


def test_the_key_is_sent_and_written_nowhere(tmp_path: Path) -> None:
    with Endpoint() as endpoint:
        run(endpoint, tmp_path)
        assert endpoint.keys == {f"Bearer {SECRET}"}
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()


def test_a_killed_judge_goes_on_where_it_was(tmp_path: Path) -> None:
    for name, answers in (("a", "candidate"), ("b", "baseline")):
        content = {
            "prompts": [pair.question for pair in PAIRS],
            "results": [getattr(pair, answers) for pair in PAIRS],
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    with Endpoint(delay=0.1) as endpoint:
        words = ["judge", "--candidate", str(tmp_path / "a.json"), "--baseline"]
        words += [str(tmp_path / "b.json"), "--base-url", endpoint.url, "--model", "m"]
        words += ["--workers", "1", "--cache", str(tmp_path / "cache.sqlite")]
        command = [sys.executable, "-m", "harness", *words]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        while len(endpoint.answered) < 6:
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
        first.wait()
        kept = len(endpoint.answered)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        # The one reply that was on its way when the process died may be asked for again.
        assert told["requests_sent"] in (24 - kept, 24 - kept + 1)
        assert sum(count - 1 for count in endpoint.answered.values()) <= 1
        assert (told["win"], told["tie"], told["lose"]) == (4 / 12, 4 / 12, 4 / 12)
        assert SECRET not in done.stdout + done.stderr
