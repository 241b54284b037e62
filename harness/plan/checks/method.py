"""What can be wrong with a method before a model loads: its parameters, and what does not go
together; imports no torch."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.config import (
    AdapterConfig,
    Attention,
    BetweenTasks,
    EditStages,
    HarnessConfig,
    MethodConfig,
    ModelConfig,
    ResetOptimizer,
    Schedule,
)
from harness.config.ranges import require_range
from harness.config.sequence import task_order
from harness.data.rows import read_rows
from harness.errors import ConfigError, mistakes_of, refuse, suggest
from harness.methods.base import Strategy
from harness.methods.edits.loading import load_edit
from harness.methods.loading import ask, load_strategies
from harness.methods.needs import Adapter, Needs
from harness.models.family import block_count, family_of
from harness.models.folders import ADAPTER_CONFIG
from harness.models.weights.headers import weight_shapes
from harness.plan.cells import merged_rates, merges_experts
from harness.plan.checks.rates import rates_mistakes
from harness.plan.checks.selection import check_validation
from harness.train.objectives import load_objective


def method_mistakes(config: HarnessConfig) -> list[str]:
    """Strategies, adapter, edits and schedule, alone and together; one line per mistake."""
    method = config.method
    found = [*_numbers(method), *mistakes_of(lambda: load_objective(config.train))]
    if method.adapter is not None:
        adapter = method.adapter
        found += _adapter(adapter, config.train.reset_optimizer)
        found += mistakes_of(lambda: _check_targets(adapter.targets, config.model))
    frame = mistakes_of(lambda: _check_schedule(config), lambda: load_strategies(method))
    if frame:
        return frame + found
    return (
        mistakes_of(
            lambda: _check_edits(config),
            lambda: _check_stack(config, load_strategies(method)),
            lambda: _check_files(load_strategies(method)),
        )
        + found
    )


def _numbers(method: MethodConfig) -> Iterator[str]:
    factor = method.learning_rate_factor
    if not factor > 0:
        yield f"method.learning_rate_factor={factor}: it must be positive"
    shown = method.prompting.demonstrations
    if shown < 0:
        yield f"method.prompting.demonstrations={shown}: it must be 0 or more"
    most = method.prompting.max_prompt_tokens
    if most is not None and most < 1:
        yield f"method.prompting.max_prompt_tokens={most}: use 1 or more"


def _check_schedule(config: HarnessConfig) -> None:
    """What the schedule has no place for."""
    method = config.method
    if method.prompting.demonstrations and method.schedule is not Schedule.none:
        raise ConfigError("method.prompting.demonstrations: only with method=icl (schedule=none)")
    if method.schedule is Schedule.none and (method.strategies or method.adapter):
        raise ConfigError("method.schedule=none trains nothing: drop its strategies and adapter")
    if method.checkpoints is not None:
        _check_checkpoints(config, method.checkpoints)
    if method.schedule is Schedule.joint:
        _check_joint(config)
    _check_blur(config)


def _check_files(strategies: dict[str, Strategy]) -> None:
    for name, strategy in strategies.items():
        for path in strategy.key_inputs([]).files:
            if not Path(path).is_file():
                raise ConfigError(f"method.{name}: the data file {path} does not exist")
            read_rows(Path(path))


def _check_edits(config: HarnessConfig) -> None:
    """Edits follow the stages of a sequence; a merge comes first and fits the number of tasks."""
    method, total = config.method, len(task_order(config))
    first = total if method.edit.at is EditStages.final else min(2, total)
    counts = list(range(first, total + 1))
    told = (
        f"the run has {total} tasks, and method.edit.at=all merges after each from the second on "
        "(final: after the last alone)"
    )
    refuse(rates_mistakes(config))
    if rates := merged_rates(config):
        counts, told = [1 + len(rates)], f"the run merges {1 + len(rates)} learning rates"
    for place, (name, spec) in enumerate(method.edits.items()):
        edit = load_edit(spec, f"method.{name}")
        if method.schedule is not Schedule.sequential:
            raise ConfigError(f"method.{name}: edits follow the stages of a sequence")
        if edit.chooses() or edit.split == "eval":
            does = "chooses models" if edit.chooses() else "learns"
            for task in dict.fromkeys(task_order(config)):
                check_validation(config, task, f"method.{name} {does} on eval")
        if edit.merges() and place > 0:
            raise ConfigError(
                f"method.{name} merges the models of several tasks: list it before the other edits"
            )
        for count in counts if edit.merges() else ():
            try:
                edit.check_count(count)
            except ConfigError as error:
                raise ConfigError(f"method.{name}.{error}; {told}") from error


def _check_stack(config: HarnessConfig, strategies: dict[str, Strategy]) -> None:
    """What strategies say about adapters, about each other and about the run."""
    needs = {name: strategy.needs() for name, strategy in strategies.items()}
    _check_order(needs)
    _check_groups(needs)
    _check_replaced(strategies, needs)
    for name, own in needs.items():
        _check_own_adapter(name, own, config.method.adapter)
        if own.history and not _has_history(config):
            raise ConfigError(
                f"method.{name}: it works with earlier tasks, and here every model is trained from "
                "the initial one; drop it"
            )
        if own.carries_weights:
            _check_carried(name, needs, config.method.adapter)
        if own.changes_trained and config.train.reset_optimizer is ResetOptimizer.never:
            raise ConfigError(
                f"method.{name} trains other weights at every task: moments cannot be carried "
                "over; use train.reset_optimizer=each_task"
            )
        attention = config.model.attention
        if own.outputs.reads_attention and attention is not Attention.eager:
            raise ConfigError(
                f"method.{name} reads attention weights, which model.attention={attention.value} "
                "does not give; use model.attention=eager"
            )


def _check_own_adapter(name: str, own: Needs, adapter: AdapterConfig | None) -> None:
    """Does a strategy work with the method's adapter, or without one?"""
    if own.adapter in (Adapter.required, Adapter.stacked) and adapter is None:
        raise ConfigError(
            f"method.{name}: it works on an adapter; stack it on one, method=[lora_stack,...]"
        )
    stacked = adapter is not None and adapter.between_tasks is BetweenTasks.stack
    if own.adapter is Adapter.stacked and not stacked:
        raise ConfigError(
            f"method.{name}: it compares a fresh adapter with the earlier ones; use "
            "method.adapter.between_tasks=stack"
        )
    if own.adapter is Adapter.refused and adapter is not None:
        raise ConfigError(f"method.{name}: it is not defined for adapters; drop method.adapter")


def _check_order(needs: dict[str, Needs]) -> None:
    """A penalty's gradient is masked or projected like that of the loss, of which it is a part."""
    bounded = None
    for name, own in needs.items():
        if bounded is not None and own.adds_gradient:
            raise ConfigError(
                f"method.{name}: its gradient would come after method.{bounded} has masked or "
                f"projected the others; list it first, method=[{name},{bounded}]"
            )
        if own.bounds_gradient:
            bounded = name


def _check_replaced(strategies: dict[str, Strategy], needs: dict[str, Needs]) -> None:
    """A gradient that is put in another's place leaves out what others had added."""
    names = list(needs)
    for place, name in enumerate(names):
        if not needs[name].replaces_gradient:
            continue
        for other in names:
            if type(strategies[other]).loss is not Strategy.loss:
                raise ConfigError(
                    f"method.{other} adds to the loss, and method.{name} goes on with the "
                    "gradient of the objective alone; choose one"
                )
        for other in names[:place]:
            if needs[other].adds_gradient or needs[other].bounds_gradient:
                raise ConfigError(
                    f"method.{name} puts another gradient in the place of the one that "
                    f"method.{other} has changed; list it first, method=[{name},{other}]"
                )


def _check_groups(needs: dict[str, Needs]) -> None:
    """Of one group there is one strategy."""
    first: dict[str, str] = {}
    for name, own in needs.items():
        other = first.setdefault(own.group, name) if own.group else name
        if other != name:
            raise ConfigError(
                f"method.{other} and method.{name} are both a {own.group}; choose one"
            )


def _has_history(config: HarnessConfig) -> bool:
    return config.method.schedule is Schedule.sequential and not merges_experts(config)


def _check_carried(name: str, needs: dict[str, Needs], adapter: AdapterConfig | None) -> None:
    """What is known of every trained weight is of no use for others."""
    if adapter is not None and adapter.between_tasks is not BetweenTasks.keep:
        raise ConfigError(
            f"method.{name} carries a value for every trained weight to the next task, and a fresh "
            "adapter is trained there; use method.adapter.between_tasks=keep"
        )
    for other, own in needs.items():
        if own.thaws:
            raise ConfigError(
                f"method.{name} carries a value for every trained weight to the next task, and "
                f"method.{other} trains others there; choose one"
            )


def check_strategies_fit(config: HarnessConfig, description: dict[str, Any]) -> None:
    """Raise ConfigError where a strategy does not go with the model's config.json."""
    blocks = block_count(description)
    for name, strategy in load_strategies(config.method).items():
        ask(f"method.{name}", strategy.check_model, description)
        outputs = strategy.needs().outputs
        if blocks is not None:
            _check_layers(name, "hidden_states", outputs.hidden_states, blocks + 1)
            _check_layers(name, "attentions", outputs.attentions, blocks)


def _check_layers(name: str, output: str, layers: Sequence[int], count: int) -> None:
    for layer in layers:
        if not -count <= layer < count:
            raise ConfigError(
                f"method.{name} reads {output} of layer {layer}; the model has 0 to {count - 1}"
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
        raise ConfigError(
            "sequence.recurrence, sequence.recurring: joint training sees every task once"
        )


def _check_blur(config: HarnessConfig) -> None:
    blur, method = config.sequence.blur, config.method
    require_range("sequence.blur", blur, 0, 0.5)
    if not blur:
        return
    if method.checkpoints is not None or method.schedule is not Schedule.sequential:
        what = "checkpoints" if method.checkpoints is not None else f"{method.schedule.value}"
        raise ConfigError(
            f"sequence.blur={blur}: method={method.name} ({what}) trains no task after the other, "
            "so that there is no boundary to blur; leave it out"
        )
    if merges_experts(config):
        raise ConfigError(
            f"sequence.blur={blur}: method={method.name} merges models of one task each, between "
            "which there is no boundary; leave it out"
        )
    refuse(
        f"sequence.blur={blur}: method.{name} keeps something of a task's own rows, of which "
        "others would be exchanged; leave it out"
        for name, strategy in load_strategies(method).items()
        if strategy.needs().sharp
    )


def _adapter(adapter: AdapterConfig, moments: ResetOptimizer) -> Iterator[str]:
    if adapter.between_tasks is not BetweenTasks.keep and moments is ResetOptimizer.never:
        yield (
            f"method.adapter.between_tasks={adapter.between_tasks.value} trains a fresh adapter at "
            "every task: moments cannot be carried over; use train.reset_optimizer=each_task"
        )
    if adapter.kind != "lora":
        yield f"method.adapter.kind={adapter.kind}: only 'lora' is there"
    if adapter.rank < 1:
        yield f"method.adapter.rank={adapter.rank}: it must be at least 1"
    if not adapter.alpha > 0:
        yield f"method.adapter.alpha={adapter.alpha}: it must be positive"
    if not 0 <= adapter.dropout < 1:
        yield f"method.adapter.dropout={adapter.dropout}: it must be in [0, 1)"
    if not adapter.targets:
        yield "method.adapter.targets: name at least one layer"


def _check_targets(targets: list[str], model: ModelConfig) -> None:
    """The layers to adapt are there; known of a model's folder before it loads. A head that is tied
    to the embedding is in no file."""
    if targets == ["all-linear"] or not Path(model.path).is_dir():
        return
    targets = family_of(model).layers(targets)
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
