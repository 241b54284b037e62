"""What can be wrong with a method before a model loads: its parameters, and what does not go
together; imports no torch."""

import json
from pathlib import Path

from harness.config import (
    AdapterConfig,
    BetweenTasks,
    EditStages,
    HarnessConfig,
    ModelConfig,
    ResetOptimizer,
    Schedule,
)
from harness.config.sequence import task_order
from harness.data.rows import read_rows
from harness.errors import ConfigError, require, suggest
from harness.methods.base import Strategy
from harness.methods.edits.loading import load_edit
from harness.methods.loading import load_objective, load_strategies
from harness.models.folders import ADAPTER_CONFIG
from harness.models.weights.headers import weight_shapes
from harness.plan.cells import merges_experts
from harness.plan.checks.selection import check_validation


def check_method(config: HarnessConfig) -> None:
    """Strategies, adapter, edits and schedule, alone and together. Raises ConfigError."""
    method = config.method
    strategies = load_strategies(method)
    factor = method.learning_rate_factor
    require(factor > 0, f"method.learning_rate_factor={factor}: it must be positive")
    shown = method.prompting.demonstrations
    require(shown >= 0, f"method.prompting.demonstrations={shown}: it must be 0 or more")
    most = method.prompting.max_prompt_tokens
    require(most is None or most >= 1, f"method.prompting.max_prompt_tokens={most}: use 1 or more")
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
        _check_targets(method.adapter.targets, config.model)
    _check_stack(config, strategies)
    for name, strategy in strategies.items():
        for path in strategy.key_inputs([]).files:
            if not Path(path).is_file():
                raise ConfigError(f"method.{name}: the data file {path} does not exist")
            read_rows(Path(path))
    load_objective(config.train)


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
                check_validation(config, task, f"method.{name} chooses models on eval")
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
    _check_order(strategies)
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


def _check_order(strategies: dict[str, Strategy]) -> None:
    """A penalty's gradient is masked or projected like that of the loss, of which it is a part."""
    bounded = None
    for name, strategy in strategies.items():
        if bounded is not None and strategy.adds_gradient():
            raise ConfigError(
                f"method.{name}: its gradient would come after method.{bounded} has masked or "
                f"projected the others; list it first, method=[{name},{bounded}]"
            )
        if strategy.bounds_gradient:
            bounded = name


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
    """Stages that were trained elsewhere: one folder per task, each a model or an adapter."""
    method, total = config.method, len(task_order(config))
    if method.schedule is not Schedule.sequential or method.strategies or method.adapter:
        raise ConfigError("method.checkpoints trains nothing: use method=foreign")
    if len(folders) != total:
        raise ConfigError(
            f"method.checkpoints: {len(folders)} folders for {total} tasks; "
            "give one per stage, in the order of the sequence"
        )
    for folder in map(Path, folders):
        files = [folder / name for name in ("config.json", ADAPTER_CONFIG)]
        if not any(path.is_file() for path in files):
            raise ConfigError(
                f"method.checkpoints: {folder} holds neither config.json nor {ADAPTER_CONFIG}; "
                "give the folder of a model or of an adapter"
            )
        weight_shapes(folder)
        for path in filter(Path.is_file, files):
            _check_description(path)


def _check_description(path: Path) -> None:
    """A model's or an adapter's JSON file, as far as loading it hangs on it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"method.checkpoints: {path} is not JSON ({error})") from error
    needed = ["peft_type"] if path.name == ADAPTER_CONFIG else ["model_type"]
    needed = [] if "auto_map" in found else needed
    needed += ["r", "lora_alpha"] if "LORA" in str(found) and "peft_type" in found else []
    lacking = [name for name in needed if not isinstance(found, dict) or not found.get(name)]
    if lacking:
        raise ConfigError(f"method.checkpoints: {path} says no '{lacking[0]}'")


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
    require(adapter.kind == "lora", f"method.adapter.kind={adapter.kind}: only 'lora' is there")
    require(adapter.rank >= 1, f"method.adapter.rank={adapter.rank}: it must be at least 1")
    require(adapter.alpha > 0, f"method.adapter.alpha={adapter.alpha}: it must be positive")
    share = adapter.dropout
    require(0 <= share < 1, f"method.adapter.dropout={share}: it must be in [0, 1)")
    require(bool(adapter.targets), "method.adapter.targets: name at least one layer")


def _check_targets(targets: list[str], model: ModelConfig) -> None:
    """The layers to adapt are there; known of a model's folder before it loads. A head that is tied
    to the embedding is in no file."""
    if targets == ["all-linear"] or not Path(model.path).is_dir():
        return
    shapes = weight_shapes(Path(model.path))
    matrices = [name for name, shape in shapes.items() if len(shape) > 1]
    layers = [f".{name.removesuffix('.weight')}" for name in matrices] + [".lm_head"]
    for target in targets if matrices else []:
        if not any(layer.endswith(f".{target}") for layer in layers):
            known = sorted({layer.rpartition(".")[2] for layer in layers})
            raise ConfigError(
                f"method.adapter.targets: {model.path} has no layer '{target}'"
                + suggest(target, known)
                + "; all-linear alone means all but the head"
            )
