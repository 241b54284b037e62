"""What can be wrong with a model as far as its own files tell, before it is loaded or fetched."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from harness.config import BenchmarkConfig, HarnessConfig, TaskConfig
from harness.errors import ConfigError, mistakes_of, require
from harness.models.family import family_of, require_family
from harness.models.folders import (
    context_length,
    folder_description,
    require_attention,
    require_known_code,
    require_no_experts,
)
from harness.models.gguf.converted import is_gguf
from harness.models.hub import cached_description, require_chat_template
from harness.plan.checks.family import family_mistakes
from harness.plan.checks.likewise import once
from harness.plan.checks.method import check_strategies_fit


def model_mistakes(config: HarnessConfig) -> list[str]:
    """What the model's config.json and its tokenizer's say against a run; of a hub model nothing
    before they are cached, of a GGUF file before it is converted."""
    model, details = config.model, dict[str, Any]()

    def describe() -> None:
        if is_gguf(model.path):
            return
        details.update(
            folder_description(model.path, "model.path") or cached_description(model) or {}
        )
        require_family(model, details, "model.path")
        require_known_code(details, model)

    adapter = config.method.adapter
    targets = [] if adapter is None else adapter.targets
    return mistakes_of(describe) or [
        *mistakes_of(lambda: require_chat_template(model)),
        *mistakes_of(lambda: require_attention(details, model)),
        *mistakes_of(lambda: require_no_experts(targets, details)),
        *mistakes_of(lambda: check_strategies_fit(config, details)),
        *family_mistakes(config),
        *_lengths(config, None if family_of(model).relative else context_length(details)),
    ]


def _lengths(config: HarnessConfig, positions: int | None) -> list[str]:
    """Prompts and answers fit the model's positions, as far as these are known."""
    told = []
    for own, where, part in _parts(config):
        told.append((own, mistakes_of(partial(_check_lengths, config, where, part, positions))))
    return once(told)


def _parts(config: HarnessConfig) -> Iterator[tuple[str, str, TaskConfig | BenchmarkConfig]]:
    """(its names, its keys' prefix, itself) of every task and benchmark."""
    for name, task in config.task.items():
        yield name, f"task.{name}", task
    for suite, group in config.suite.items():
        for name, benchmark in group.benchmarks.items():
            yield f"{suite}|{name}", f"suite.{suite}.benchmarks.{name}", benchmark


def _check_lengths(
    config: HarnessConfig, where: str, part: TaskConfig | BenchmarkConfig, positions: int | None
) -> None:
    for name in ("max_prompt_tokens", "max_answer_tokens"):
        value = getattr(part, name)
        require(value is None or value >= 1, f"{where}.{name}: it must be at least 1")
    answer, longest = part.max_answer_tokens, f"{where}.max_answer_tokens"
    if isinstance(part, TaskConfig) and (config.eval.max_answer_tokens or 0) > answer:
        answer, longest = config.eval.max_answer_tokens or 0, "eval.max_answer_tokens"
    total = (part.max_prompt_tokens or 1) + answer
    if positions is None or total <= positions:
        return
    bare = isinstance(part, TaskConfig) and config.sequence.from_folder is not None
    prompt = "sequence.max_prompt_tokens" if bare else f"{where}.max_prompt_tokens"
    fitting = f"use {prompt}={positions - answer}" if answer < positions else f"lower {longest}"
    raise ConfigError(
        f"{where}: prompt + answer may take {total} tokens, the model has {positions} positions; "
        + fitting
    )
