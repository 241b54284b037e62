"""Token counts for the parent, measured once in a helper process and remembered in the store."""

import json
from collections.abc import Mapping
from pathlib import Path

from harness.config import HarnessConfig
from harness.config.plain import plain, typed
from harness.data.encoding import rough_tokens
from harness.data.order import steps_per_epoch
from harness.data.rows import read_rows
from harness.errors import ConfigError
from harness.models.folders import folder_description
from harness.models.hub import cached_description
from harness.plan.count_tokens import Count, Request
from harness.store.files import write_json
from harness.store.helper import call
from harness.store.keys import digest
from harness.store.layout import TOKENS, cache_place
from harness.store.store import Store
from harness.store.work import EvalWork, Plan, TrainWork

COUNTED = "cut rows"  # what counts of before do not tell
TokenCounts = Mapping[str, Count]  # training file -> its rows and the tokens of one epoch


def estimated_counts(config: HarnessConfig, plan: Plan) -> TokenCounts:
    """Training file -> rows and roughly the tokens of one epoch, without a tokenizer: a token
    every three bytes, cut as the task says."""
    found: dict[str, Count] = {}
    for part in (part for work in plan.of(TrainWork) for part in work.parts):
        task, rows = config.task[part.name], read_rows(Path(part.data.path))
        tokens = sum(
            min(rough_tokens(row["prompt"]), task.max_prompt_tokens)
            + min(rough_tokens(row["answer"]) + 1, task.max_answer_tokens)
            for row in rows
        )
        found[part.data.path] = Count(len(rows), tokens)
    return found


def training_counts(config: HarnessConfig, store: Store, plan: Plan) -> TokenCounts:
    """Training file -> rows and tokens of one epoch."""
    parts = [part for work in plan.of(TrainWork) for part in work.parts]
    requests = [Request(part.data.path, part.name) for part in parts]
    counts = _counts(config, store, plan, requests)
    return {request.data: count for request, count in zip(requests, counts, strict=True)}


def training_tokens(work: TrainWork, counts: TokenCounts) -> int:
    """Tokens that a stage of training sees, all its epochs, no more steps than train.max_steps."""
    parts, train = work.parts, work.settings.train
    total = sum(counts[part.data.path].tokens * part.epochs for part in parts)
    if train.max_steps is None:
        return total
    if len(parts) == 1:
        rows = counts[parts[0].data.path].rows
        steps = parts[0].epochs * steps_per_epoch(rows, train.batch_size)
    else:
        rows = sum(counts[part.data.path].rows * part.epochs for part in parts)
        steps = steps_per_epoch(rows, train.batch_size)
    return round(total * min(1.0, train.max_steps / steps))


def check_demonstrations(config: HarnessConfig, store: Store, plan: Plan) -> None:
    """Raise ConfigError where a prompt with its demonstrations and the answer exceed the model's
    positions; nothing is cut silently."""
    positions = _positions(config)
    works = [work for work in plan.of(EvalWork) if work.shown and work.data]
    if positions is None or not works:
        return
    requests = [Request(w.data.path, w.benchmark.name, w.shown) for w in works if w.data]
    for work, count in zip(works, _counts(config, store, plan, requests), strict=True):
        room = positions - work.benchmark.max_answer_tokens
        if count.longest_prompt > room:
            needed = count.longest_prompt + work.benchmark.max_answer_tokens
            asked = config.method.prompting.demonstrations
            raise ConfigError(
                f"method.prompting.demonstrations={asked}: {work.benchmark.name} needs {needed} "
                f"tokens, the model has {positions} positions; use fewer demonstrations, or "
                f"method.prompting.max_prompt_tokens={room}"
            )


def _positions(config: HarnessConfig) -> int | None:
    """The model's context, as far as it is known before the model is fetched."""
    details = folder_description(config.model.path, "model.path")
    if details is None:
        details = cached_description(config.model) or {}
    return details.get("max_position_embeddings")


def _counts(
    config: HarnessConfig, store: Store, plan: Plan, requests: list[Request]
) -> list[Count]:
    cache = cache_place(store.root, TOKENS)
    known = json.loads(cache.read_text()) if cache.is_file() else {}
    names = [_name(config, store, plan, request) for request in requests]
    missing = {name: r for name, r in zip(names, requests, strict=True) if name not in known}
    if missing:
        counted = _measure(config, list(missing.values()))
        known |= {name: plain(count) for name, count in zip(missing, counted, strict=True)}
        write_json(cache, known)
    return [typed(Count, known[name]) for name in names]


def _name(config: HarnessConfig, store: Store, plan: Plan, request: Request) -> str:
    task = config.task[request.task]
    limits = [task.max_prompt_tokens, task.max_answer_tokens]
    data = store.hashes.file(Path(request.data))
    return digest([plan.run["model_key"], data, limits, plain(request.shown), COUNTED])


def _measure(config: HarnessConfig, requests: list[Request]) -> list[Count]:
    request = {"config": plain(config), "requests": plain(requests)}
    counts = call("harness.plan.count_tokens", request, "counting tokens")
    return [typed(Count, count) for count in counts]
