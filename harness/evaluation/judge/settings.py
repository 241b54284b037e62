"""Checks of a judge's settings before anything runs; imports no torch."""

import math
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from harness.config import HarnessConfig, JudgeBackend, JudgeConfig, ModelConfig
from harness.config.hosts import is_loopback
from harness.errors import ConfigError, mistakes_of, refuse, suggest
from harness.evaluation.judge.cache import Cache, cache_path
from harness.evaluation.judge.prompts import RUBRICS
from harness.models.folders import folder_description, require_causal
from harness.models.hub import cached_description

MODEL = "judge.model"


def check_judge(judge: JudgeConfig) -> None:
    """Raise ConfigError (Mistakes for several) for settings that cannot work, a missing key among
    them."""
    refuse(_settings(judge))


def _settings(judge: JudgeConfig) -> Iterator[str]:
    if judge.backend is JudgeBackend.none:
        return
    if not judge.model:
        yield "judge.model: which model judges? set judge.model=<name>"
    for name in ("workers", "attempts", "max_tokens"):
        if getattr(judge, name) < 1:
            yield f"judge.{name}={getattr(judge, name)}: it must be at least 1"
    for name in ("timeout_seconds", "backoff_seconds"):
        if not 0 < getattr(judge, name) < 1e6:
            yield f"judge.{name}={getattr(judge, name)}: give a number of seconds"
    if judge.requests_per_minute is not None and judge.requests_per_minute <= 0:
        yield f"judge.requests_per_minute={judge.requests_per_minute}: it must be positive"
    for name in ("malformed_retries", "temperature"):
        if not 0 <= getattr(judge, name) < math.inf:
            yield f"judge.{name}={getattr(judge, name)}: it must be 0 or more"
    if judge.backend is JudgeBackend.local and judge.temperature > 0:
        yield f"judge.temperature={judge.temperature}: a local judge is greedy; use 0"
    if judge.backend is JudgeBackend.http:
        yield from _endpoint(judge)
    if judge.model:
        yield from mistakes_of(lambda: check_local_model(judge))


def _endpoint(judge: JudgeConfig) -> Iterator[str]:
    from harness.evaluation.judge.http import api_key

    try:
        place = urlsplit(str(judge.base_url or ""))
    except ValueError:  # brackets that are not closed
        place = urlsplit("")
    if place.scheme not in ("http", "https") or not place.hostname:
        yield (
            f"judge.base_url={judge.base_url}: give the endpoint, for example "
            "judge.base_url=https://api.openai.com/v1"
        )
    elif place.username is not None or place.password is not None:
        yield "judge.base_url: holds a user or a password; the key comes from judge.key_variable"
    elif place.scheme == "http" and not (judge.plain_http or _is_here(place.hostname)):
        yield (
            f"judge.base_url={judge.base_url}: http sends the key unencrypted to another machine; "
            "use https, or judge.plain_http=true on a network that is yours"
        )
    yield from mistakes_of(lambda: api_key(judge))


def _is_here(host: str) -> bool:
    """Does a host mean this machine?"""
    own = socket.gethostname().lower()
    return is_loopback(host) or host == own or host == socket.getfqdn().lower()


def local_model(judge: JudgeConfig) -> ModelConfig | None:
    """The model that judges on this machine; None where none does."""
    if judge.backend is not JudgeBackend.local:
        return None
    return ModelConfig(name=MODEL, path=judge.model, revision=judge.revision)


def check_local_model(judge: JudgeConfig) -> None:
    """Raise ConfigError for a local judge that is no folder of a causal model and no hub id."""
    model = local_model(judge)
    if model is None:
        return
    if not judge.model:
        raise ConfigError(f"{MODEL}: which model judges? set {MODEL}=<folder or hub id>")
    description = folder_description(model.path, MODEL)
    require_causal(description or cached_description(model) or {}, MODEL)


def require_cache(config: HarnessConfig) -> None:
    """Open the file of replies of a run that judges, creating it. Raises ConfigError."""
    if config.judge.backend is not JudgeBackend.none:
        Cache(cache_path(config.judge, Path(config.store.root)))


def judging_mistakes(config: HarnessConfig) -> list[str]:
    """What is wrong with the judge of a run and the rubrics of what it judges, one line each."""
    lines = [
        f"suite.{suite}.benchmarks.{name}.judged={benchmark.judged}: no such rubric"
        + suggest(benchmark.judged, sorted(RUBRICS))
        for suite, group in config.suite.items()
        for name, benchmark in group.benchmarks.items()
        if benchmark.judged is not None and benchmark.judged not in RUBRICS
    ]
    if config.judge.backend is JudgeBackend.none:
        return lines
    lines += _settings(config.judge)
    if not any(b.judged for group in config.suite.values() for b in group.benchmarks.values()):
        lines.append(
            "judge: no benchmark of the suites is judged; add suite=[instruction_prompts,safety]"
        )
    if not config.eval.stage0:
        lines.append("judge: answers are compared with stage 0's; use eval.stage0=true")
    return lines
