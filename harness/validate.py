"""Everything about a configuration that can be checked before a model loads; imports no torch.

Each check raises ConfigError or DataError with one line: what is wrong, where, what would be right.
"""

import math
from pathlib import Path
from typing import Any

from harness.config import (
    AdapterConfig,
    BenchmarkConfig,
    BetweenTasks,
    Device,
    EditStages,
    HarnessConfig,
    Precision,
    ResetOptimizer,
    Schedule,
    Split,
)
from harness.data.files import read_rows, split_path
from harness.data.overlap import selects_on_test
from harness.devices import cpu_cores, gpu_count
from harness.edits.loading import load_edit
from harness.errors import ConfigError, HarnessError, first_line, suggest
from harness.evaluation.material import measure, source_folder
from harness.judge.settings import check_judging, require_cache
from harness.methods.base import Strategy
from harness.methods.loading import load_object, load_strategies, load_typed
from harness.modeling import ADAPTER_CONFIG, folder_description, require_causal, require_known_code
from harness.objectives import Objective
from harness.offline.models import cached_description
from harness.sequence import merges_experts, task_order
from harness.store import require_writable


def validate(config: HarnessConfig) -> None:
    """Check a whole configuration; writes nothing. Raises ConfigError or DataError."""
    _check_numbers(config)
    _check_engine(config)
    _check_method(config)
    _check_model(config)
    order = task_order(config)
    for name in dict.fromkeys(order):
        _check_task(config, name)
    check_judging(config)
    for suite, group in config.suite.items():
        for name, benchmark in group.benchmarks.items():
            _check_benchmark(config, f"suite.{suite}.benchmarks.{name}", benchmark)


def check_outputs(config: HarnessConfig) -> None:
    """Prove that results can be written, creating their folders. Raises ConfigError."""
    require_writable(Path(config.store.root), "store.root")
    require_writable(Path(config.store.results), "store.results")
    require_cache(config)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _check_numbers(config: HarnessConfig) -> None:
    train, evaluation = config.train, config.eval
    at_least_one = {
        "train.batch_size": train.batch_size,
        "train.micro_batch_size": train.micro_batch_size,
        "train.pack_tokens": train.pack_tokens,
        "train.epochs": train.epochs,
        "train.max_steps": train.max_steps,
        "eval.batch_size": evaluation.batch_size,
        "eval.limit": evaluation.limit,
        "eval.max_answer_tokens": evaluation.max_answer_tokens,
        "engine.ranks": config.engine.ranks,
        "engine.threads": config.engine.threads,
    }
    at_least_one |= {
        f"train.{table}.{task}": epochs
        for table in ("task_epochs", "adapter_task_epochs")
        for task, epochs in getattr(train, table).items()
    }
    for name, value in at_least_one.items():
        _require(value is None or value >= 1, f"{name}={value}: it must be at least 1")
    rates = {"train.learning_rate": train.learning_rate, "train.eps": train.eps}
    rates |= {
        f"task.{name}.learning_rate": task.learning_rate for name, task in config.task.items()
    }
    for name, rate in rates.items():
        valid = rate is None or (rate > 0 and math.isfinite(rate))
        _require(valid, f"{name}={rate}: it must be a positive number")
    for name, value in {
        "train.weight_decay": train.weight_decay,
        "train.clip": train.clip,
        "eval.temperature": evaluation.temperature,
    }.items():
        _require(value >= 0 and math.isfinite(value), f"{name}={value}: it must be 0 or more")
    _require(0 <= train.warmup_ratio <= 1, f"train.warmup_ratio={train.warmup_ratio}: use 0 to 1")
    betas = train.betas
    valid = len(betas) == 2 and all(0 <= beta < 1 for beta in betas)
    _require(valid, f"train.betas={list(betas)}: AdamW takes two numbers in [0, 1)")
    _require(evaluation.backend == "hf", f"eval.backend={evaluation.backend}: only 'hf' is there")


def _check_engine(config: HarnessConfig) -> None:
    engine = config.engine
    _require(
        engine.zero_stage in (0, 1, 2, 3), f"engine.zero_stage={engine.zero_stage}: use 0 to 3"
    )
    _require(engine.timeout_minutes > 0, "engine.timeout_minutes: it must be positive")
    if engine.precision is Precision.bf16 and engine.zero_stage == 0:
        raise ConfigError("engine.precision=bf16 needs ZeRO 1-3 (fp32 masters); use engine=zero1")
    gpus = gpu_count()
    if engine.device is Device.cuda and gpus == 0:
        raise ConfigError("engine.device=cuda, but there is no GPU here; use engine.device=cpu")
    on_cpu = engine.device is Device.cpu or gpus == 0
    limit = cpu_cores() if on_cpu else gpus
    if engine.ranks is not None and engine.ranks > limit:
        what = "CPU cores" if on_cpu else "GPUs"
        raise ConfigError(
            f"engine.ranks={engine.ranks}, but there are {limit} {what}; use {limit} at most"
        )


def _check_method(config: HarnessConfig) -> None:
    method = config.method
    strategies = load_strategies(method)
    factor = method.learning_rate_factor
    _require(factor > 0, f"method.learning_rate_factor={factor}: it must be positive")
    shown = method.prompting.demonstrations
    _require(shown >= 0, f"method.prompting.demonstrations={shown}: it must be 0 or more")
    if shown and method.schedule is not Schedule.none:
        raise ConfigError("method.prompting.demonstrations: only with method=icl (schedule=none)")
    if method.schedule is Schedule.none and (strategies or method.adapter):
        raise ConfigError("method.schedule=none trains nothing: drop its strategies and adapter")
    if method.checkpoints is not None:
        _check_checkpoints(config, method.checkpoints)
    if method.schedule is Schedule.joint:
        _check_joint(config)
    _check_edits(config)
    if method.adapter is not None:
        _check_adapter(method.adapter, config.train.reset_optimizer)
    _check_stack(config, strategies)
    for name, strategy in strategies.items():
        for path in strategy.key_inputs([]).files:
            if not Path(path).is_file():
                raise ConfigError(f"method.{name}: the data file {path} does not exist")
            read_rows(Path(path))
    load_typed(config.train.objective, Objective, "train.objective")


def _check_edits(config: HarnessConfig) -> None:
    """Edits follow the stages of a sequence; a merge comes first and fits the number of tasks."""
    method, total = config.method, len(task_order(config))
    first = total if method.edit.at is EditStages.final else min(2, total)
    for place, (name, spec) in enumerate(method.edits.items()):
        edit = load_edit(spec, f"method.{name}")
        if method.schedule is not Schedule.sequential:
            raise ConfigError(f"method.{name}: edits follow the stages of a sequence")
        if edit.chooses():
            for task in dict.fromkeys(task_order(config)):
                _check_validation(config, task, f"method.{name} chooses models on eval")
        if edit.merges() and place > 0:
            raise ConfigError(
                f"method.{name} merges the models of several tasks: list it before the other edits"
            )
        for count in range(first, total + 1) if edit.merges() else ():
            try:
                edit.check_count(count)
            except ConfigError as error:
                raise ConfigError(
                    f"method.{name}.{error}; the run has {total} tasks, and method.edit.at=all "
                    "merges after each from the second on (final: after the last alone)"
                ) from error


def _check_stack(config: HarnessConfig, strategies: dict[str, Strategy]) -> None:
    """What strategies say about adapters, about each other and about the optimizer."""
    method, groups = config.method, dict[str, str]()
    for name, strategy in strategies.items():
        if strategy.adapter in ("required", "stacked") and method.adapter is None:
            raise ConfigError(
                f"method.{name}: it works on an adapter; stack it on one, method=[lora_stack,...]"
            )
        stacked = method.adapter and method.adapter.between_tasks is BetweenTasks.stack
        if strategy.adapter == "stacked" and not stacked:
            raise ConfigError(
                f"method.{name}: it compares a fresh adapter with the earlier ones; use "
                "method.adapter.between_tasks=stack"
            )
        if strategy.adapter == "refused" and method.adapter is not None:
            raise ConfigError(f"method.{name}: it is not defined for adapters; drop method.adapter")
        if strategy.needs_history() and not _has_history(config):
            raise ConfigError(
                f"method.{name}: it works with earlier tasks, and here every model is trained from "
                "the initial one; drop it"
            )
        if strategy.carries_weights():
            _check_carried(name, strategies, method.adapter)
        if strategy.changes_trained and config.train.reset_optimizer is ResetOptimizer.never:
            raise ConfigError(
                f"method.{name} trains other weights at every task: moments cannot be carried "
                "over; use train.reset_optimizer=each_task"
            )
        if strategy.group is not None:
            other = groups.setdefault(strategy.group, name)
            if other != name:
                raise ConfigError(
                    f"method.{other} and method.{name} are both a {strategy.group}; choose one"
                )


def _has_history(config: HarnessConfig) -> bool:
    return config.method.schedule is Schedule.sequential and not merges_experts(config)


def _check_carried(
    name: str, strategies: dict[str, Strategy], adapter: AdapterConfig | None
) -> None:
    """What is known of every trained weight is of no use for others."""
    if adapter is not None and adapter.between_tasks is not BetweenTasks.keep:
        raise ConfigError(
            f"method.{name} carries a value for every trained weight to the next task, and a fresh "
            "adapter is trained there; use method.adapter.between_tasks=keep"
        )
    for other, strategy in strategies.items():
        if strategy.thaws:
            raise ConfigError(
                f"method.{name} carries a value for every trained weight to the next task, and "
                f"method.{other} trains others there; choose one"
            )


def _check_checkpoints(config: HarnessConfig, folders: list[str]) -> None:
    """Stages that were trained elsewhere: a folder a task, each a model or an adapter."""
    method, total = config.method, len(task_order(config))
    if method.schedule is not Schedule.sequential or method.strategies or method.adapter:
        raise ConfigError("method.checkpoints trains nothing: use method=foreign")
    if len(folders) != total:
        raise ConfigError(
            f"method.checkpoints: {len(folders)} folders for {total} tasks; "
            "give one a stage, in the order of the sequence"
        )
    for folder in map(Path, folders):
        files = [folder / name for name in ("config.json", ADAPTER_CONFIG)]
        if not any(path.is_file() for path in files):
            raise ConfigError(
                f"method.checkpoints: {folder} holds neither config.json nor {ADAPTER_CONFIG}; "
                "give the folder of a model or of an adapter"
            )


def _check_joint(config: HarnessConfig) -> None:
    for name in task_order(config):
        if config.task[name].learning_rate is not None:
            raise ConfigError(
                f"task.{name}.learning_rate: joint training has one rate; use train.learning_rate"
            )
    if len(set(task_order(config))) < len(task_order(config)):
        raise ConfigError("sequence.recurrence: joint training sees every task once")


def _check_adapter(adapter: AdapterConfig, moments: ResetOptimizer) -> None:
    if adapter.between_tasks is not BetweenTasks.keep and moments is ResetOptimizer.never:
        raise ConfigError(
            f"method.adapter.between_tasks={adapter.between_tasks.value} trains a fresh adapter at "
            "every task: moments cannot be carried over; use train.reset_optimizer=each_task"
        )
    _require(adapter.kind == "lora", f"method.adapter.kind={adapter.kind}: only 'lora' is there")
    _require(adapter.rank >= 1, f"method.adapter.rank={adapter.rank}: it must be at least 1")
    _require(adapter.alpha > 0, f"method.adapter.alpha={adapter.alpha}: it must be positive")
    share = adapter.dropout
    _require(0 <= share < 1, f"method.adapter.dropout={share}: it must be in [0, 1)")
    _require(bool(adapter.targets), "method.adapter.targets: name at least one layer")


def _check_model(config: HarnessConfig) -> None:
    model = config.model
    _require(model.kind == "causal", f"model.kind={model.kind}: only 'causal' is there")
    details = folder_description(model.path, "model.path")
    if details is None:
        details = cached_description(model) or {}
    _check_description(config, details)


def _check_description(config: HarnessConfig, details: dict[str, Any]) -> None:
    """A model's config.json, as far as it is known before the model is fetched."""
    require_causal(details, "model.path")
    require_known_code(details, config.model)
    for name, strategy in load_strategies(config.method).items():
        try:
            strategy.check_model(details)
        except ConfigError as error:
            raise ConfigError(f"method.{name}.{error}") from error
    _check_lengths(config, details.get("max_position_embeddings"))


def _check_lengths(config: HarnessConfig, positions: int | None) -> None:
    parts = [(f"task.{name}", task, True) for name, task in config.task.items()]
    for suite, group in config.suite.items():
        for name, benchmark in group.benchmarks.items():
            parts.append((f"suite.{suite}.benchmarks.{name}", benchmark, False))
    for where, part, trained in parts:
        for name in ("max_prompt_tokens", "max_answer_tokens"):
            value = getattr(part, name)
            _require(value is None or value >= 1, f"{where}.{name}: it must be at least 1")
        total = (part.max_prompt_tokens or 1) + part.max_answer_tokens
        if trained and total > config.train.pack_tokens:
            raise ConfigError(
                f"{where}: prompt + answer may take {total} tokens; "
                f"set train.pack_tokens={total} or more"
            )
        if trained and config.eval.max_answer_tokens is not None:
            total = max(total, part.max_prompt_tokens + config.eval.max_answer_tokens)
        if positions is not None and total > positions:
            raise ConfigError(
                f"{where}: prompt + answer may take {total} tokens, "
                f"the model has {positions} positions"
            )


def _check_task(config: HarnessConfig, name: str) -> None:
    task = config.task[name]
    if task.epochs < 1:
        raise ConfigError(f"task.{name}.epochs={task.epochs}: it must be at least 1")
    for split in ("train", config.eval.split.value):
        rows = read_rows(split_path(config.data.root, task.folder, split))
        if task.instruction and not rows[0]["prompt"].startswith(task.instruction):
            raise ConfigError(
                f"task.{name}.instruction: prompts of {config.data.root} do not begin with it; is "
                "this the data of another task, or of a variant (reasoning)?"
            )
    _check_headline(f"task.{name}", task.scorer, task.headline, rows[0])
    if config.eval.split is Split.eval:
        _check_validation(config, name, "eval.split=eval")


def _check_headline(where: str, scorer: str, headline: str, row: dict[str, Any]) -> None:
    """The scorer, tried on an empty prediction, gives the metric that is named."""
    function = load_object(scorer, f"{where}.scorer")
    try:
        metrics = list(function(row, ""))  # type: ignore[operator]
    except Exception as error:  # a user's own scorer may fail with anything
        told = f"{type(error).__name__}: {first_line(error)}"
        raise ConfigError(
            f"{where}.scorer: {scorer} fails on an empty prediction ({told})"
        ) from error
    if headline not in metrics:
        raise ConfigError(
            f"{where}.headline={headline}: no such metric" + suggest(headline, metrics)
        )


def _check_validation(config: HarnessConfig, name: str, where: str) -> None:
    """Scores on eval are there to choose by; on test prompts they would choose on test."""
    evaluation = split_path(config.data.root, config.task[name].folder, "eval")
    rows = read_rows(evaluation)
    test = evaluation.with_name("test.json")
    if config.eval.allow_eval_equals_test or not test.is_file():
        return
    if selects_on_test(rows, read_rows(test)):
        raise ConfigError(
            f"{where}: every eval prompt of task '{name}' is in its test.json, so what is "
            "chosen on it is chosen on test; give it an eval.json of its own, or set "
            "eval.allow_eval_equals_test=true"
        )


def _check_benchmark(config: HarnessConfig, where: str, benchmark: BenchmarkConfig) -> None:
    _require(benchmark.shots >= 0, f"{where}.shots={benchmark.shots}: it must be 0 or more")
    limit = benchmark.limit
    _require(limit is None or limit >= 1, f"{where}.limit={limit}: it must be at least 1")
    if (benchmark.folder is None) == (benchmark.lm_eval_task is None):
        raise ConfigError(f"{where}: give either folder (local data) or lm_eval_task")
    if benchmark.folder is None:
        return
    if (benchmark.scorer is None) == (benchmark.source is None):
        raise ConfigError(f"{where}: a local benchmark needs either a scorer or a source")
    root = config.data.suite_root
    if benchmark.source is not None:
        try:
            folder = source_folder(root, benchmark.folder)
        except HarnessError as error:
            raise type(error)(f"{where}: {error}") from error
        measure(benchmark, folder, where)
        return
    if root is None:
        raise ConfigError(f"{where}: set data.suite_root, the folder that holds {benchmark.folder}")
    rows = read_rows(split_path(root, benchmark.folder, "test"))
    _check_headline(where, str(benchmark.scorer), benchmark.headline, rows[0])
