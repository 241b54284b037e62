"""Everything about a configuration that can be checked before a model loads; imports no torch.

All mistakes are told at once, one line each: what is wrong, where, what would be right. A check
that raises tells the first of its own.
"""

import json
import math
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.config import (
    Attention,
    BenchmarkConfig,
    Device,
    HarnessConfig,
    Precision,
    Split,
)
from harness.config.machine import BESIDE_IS_HERE, gpu_count, rank_mistakes
from harness.config.parts import Kind, load_part
from harness.config.places import package_file, sequence_tasks
from harness.config.sequence import task_order
from harness.data.rows import read_rows, split_path
from harness.errors import (
    ConfigError,
    HarnessError,
    first_line,
    mistakes_of,
    refuse,
    require,
    suggest,
)
from harness.evaluation.amounts import measure
from harness.evaluation.item_scores import wrong_item
from harness.evaluation.judge.settings import judging_mistakes, require_cache
from harness.evaluation.material import rows_file, source_folder
from harness.generation.vllm.environment import backend_mistakes
from harness.plan.checks.empty import empty_mistakes
from harness.plan.checks.keep import keep_mistakes
from harness.plan.checks.likewise import once
from harness.plan.checks.method import method_mistakes
from harness.plan.checks.model import model_mistakes
from harness.plan.checks.selection import check_validation
from harness.plan.checks.tracking import tracking_mistakes
from harness.plan.checks.weights import weight_mistakes
from harness.plan.memory.machine import declared
from harness.plan.memory.model import shape_mistakes
from harness.store.folders import require_writable
from harness.store.keys import KEY_SCHEME
from harness.store.layout import FORMAT
from harness.store.scores import COST, SCORE_UNIT, TARGET

FLASH_PACKAGES = {
    Attention.flash_attention_2: "flash_attn",
    Attention.flash_attention_3: "flash_attn_interface",
}
EMBEDDED = "data/micro/data"  # inside the package
LARGEST = 1e6  # no value in minutes, TFLOP/s, TB/s or billions is meant to be above it
LEAST_SILENCE = 0.1  # minutes; there are twenty signs of life in it


def validate(config: HarnessConfig) -> None:
    """Check a whole configuration; writes nothing. Raises ConfigError, Mistakes for several."""
    refuse(mistakes(config))


def mistakes(config: HarnessConfig, planned: bool = False) -> list[str]:
    """What is wrong with a configuration, one line each; writes nothing. planned: it is not to run
    here, so that devices that are declared need not be here."""
    empty = empty_mistakes(config)
    if empty:
        return empty
    tasks, order = [], list[str]()
    lines = mistakes_of(lambda: order.extend(task_order(config)))
    lines += _lacking_trace(config, order)
    for name in [] if lines else dict.fromkeys(order):
        tasks.append((name, mistakes_of(lambda name=name: _check_task(config, name))))
    found = [
        *_numbers(config),
        *_engine(config, planned),
        *shape_mistakes(config.model),
        *method_mistakes(config),
        *model_mistakes(config),
        *weight_mistakes(config),
        *backend_mistakes(config),
        *lines,
        *once(
            [(f"{name}|{config.task[name].folder}", told) for name, told in tasks],
            config.data.root,
        ),
        *judging_mistakes(config),
        *keep_mistakes(config),
        *tracking_mistakes(config),
        *_suites(config),
    ]
    return list(dict.fromkeys(found))


def _lacking_trace(config: HarnessConfig, order: list[str]) -> list[str]:
    """TRACE's tasks with the embedded data, which has others: which data to choose."""
    foreign = [name for name in order if name in sequence_tasks("trace")]
    if not foreign or config.data.root != package_file(EMBEDDED):
        return []
    return [
        f"data=micro has no rows of {foreign[0]}: TRACE's tasks need data=trace_500 (or "
        f"trace_1000, trace_5000), or data.root=<the folder with {foreign[0]}>"
    ]


def _suites(config: HarnessConfig) -> list[str]:
    found, told = list[str](), []
    for suite, group in config.suite.items():
        if suite in (TARGET, COST):
            found.append(
                f"suite.{suite}: tables use this name for something else; choose another one"
            )
        for name, benchmark in group.benchmarks.items():
            where = f"suite.{suite}.benchmarks.{name}"
            lines = mistakes_of(partial(_check_benchmark, config, where, benchmark))
            told.append((f"{name}|{suite}|{benchmark.folder or name}", lines))
    return [*found, *once(told, config.data.suite_root)]


def output_mistakes(config: HarnessConfig) -> list[str]:
    """Prove that results can be written, creating their folders; one line for each that cannot."""
    places = {"store.root": config.store.root, "store.results": config.store.results}
    lines = [
        f"{key}: its value is empty; name a folder" for key, v in places.items() if not v.strip()
    ]
    if lines:
        return lines
    for key, path in places.items():
        lines += mistakes_of(partial(require_writable, Path(path), key))
    lines += mistakes_of(partial(_require_own_keys, Path(config.store.root)))
    return lines or mistakes_of(lambda: require_cache(config))


def _require_own_keys(root: Path) -> None:
    """Raise ConfigError for a store that a later version has written to: its nodes and its records
    are not ours to read."""
    try:
        scheme = json.loads((root / FORMAT).read_text())["key_scheme"]
    except (OSError, ValueError, LookupError, TypeError):
        return  # new, or written anew when it is opened
    if isinstance(scheme, int) and scheme > KEY_SCHEME:
        raise ConfigError(
            f"store.root={root}: a later version of the harness writes here (key scheme {scheme}, "
            f"this one has {KEY_SCHEME}); use that version, or another store.root"
        )


def _numbers(config: HarnessConfig) -> Iterator[str]:
    train, evaluation = config.train, config.eval
    at_least_one = {
        "train.batch_size": train.batch_size,
        "train.micro_batch_size": train.micro_batch_size,
        "train.pack_tokens": train.pack_tokens,
        "train.epochs": train.epochs,
        "train.max_steps": train.max_steps,
        "train.last_steps": train.last_steps,
        "train.checkpoint_steps": train.checkpoint_steps,
        "eval.batch_size": evaluation.batch_size,
        "eval.batch_tokens": evaluation.batch_tokens,
        "eval.tokens_in_flight": evaluation.tokens_in_flight,
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
    at_least_none = {"seed": config.seed, "eval.beside": evaluation.beside}
    at_least_none |= {"run.retries": config.run.retries, "train.figure_steps": train.figure_steps}
    for name, value in at_least_none.items():
        if value < 0:
            yield f"{name}={value}: it must be 0 or more"
    for name, value in at_least_one.items():
        if value is not None and value < 1:
            yield f"{name}={value}: it must be at least 1"
    rates = {"train.learning_rate": train.learning_rate, "train.eps": train.eps}
    rates |= {
        f"task.{name}.learning_rate": task.learning_rate for name, task in config.task.items()
    }
    for name, rate in rates.items():
        if rate is not None and not (rate > 0 and math.isfinite(rate)):
            yield f"{name}={rate}: it must be a positive number"
    for name, value in {
        "train.weight_decay": train.weight_decay,
        "train.clip": train.clip,
        "eval.temperature": evaluation.temperature,
        "eval.suite_temperature": evaluation.suite_temperature,
    }.items():
        if not (value >= 0 and math.isfinite(value)):
            yield f"{name}={value}: it must be 0 or more"
    days = config.store.forget_days
    if days is not None and not (days > 0 and math.isfinite(days)):
        yield f"store.forget_days={days:g}: use a positive number of days, or null = never"
    silence = config.store.silence_minutes
    if not (silence >= LEAST_SILENCE and math.isfinite(silence)):
        yield f"store.silence_minutes={silence:g}: use {LEAST_SILENCE:g} or more"
    if not 0 <= train.warmup_ratio <= 1:
        yield f"train.warmup_ratio={train.warmup_ratio}: use 0 to 1"
    betas = list(train.betas)
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        yield f"train.betas={betas}: AdamW takes two numbers in [0, 1)"


def _engine(config: HarnessConfig, planned: bool) -> Iterator[str]:
    engine = config.engine
    if engine.zero_stage not in (0, 1, 2, 3):
        yield f"engine.zero_stage={engine.zero_stage}: use 0 to 3"
    positive = {
        "engine.timeout_minutes": engine.timeout_minutes,
        "engine.tflops": engine.tflops,
        "engine.bandwidth": engine.bandwidth,
        "engine.device_memory": engine.device_memory,
        "model.parameters": config.model.parameters,
        "train.checkpoint_minutes": config.train.checkpoint_minutes,
        "train.loss_bound": config.train.loss_bound,
    }
    for name, value in positive.items():
        if value is not None and not 0 < value <= LARGEST:
            yield f"{name}={value}: it must be a positive number"
    if engine.precision is Precision.bf16 and engine.zero_stage == 0:
        yield (
            "engine.precision=bf16 needs ZeRO 1-3 (fp32 masters); use engine=zero1, or "
            "engine.precision=fp32"
        )
    if engine.tf32 and engine.precision is not Precision.fp32:
        yield "engine.tf32=true is for engine.precision=fp32; leave it out"
    beside = config.eval.beside
    if beside > 0 and engine.hostfile is not None:
        yield f"eval.beside={beside}: {BESIDE_IS_HERE}"
        return
    if planned and declared(engine):
        return
    gpus = gpu_count()
    if engine.device is Device.cuda and gpus == 0:
        yield "engine.device=cuda, but there is no GPU here; use engine.device=cpu"
        return
    on_cpu = engine.device is Device.cpu or gpus == 0
    yield from mistakes_of(lambda: refuse(rank_mistakes(engine, gpus, beside)))
    yield from mistakes_of(lambda: _check_attention(config, on_cpu))


def _check_attention(config: HarnessConfig, on_cpu: bool) -> None:
    attention = config.model.attention
    place = f"model.attention={attention.value}"
    flexible = on_cpu and attention is Attention.flex_attention
    require(not flexible, f"{place} trains on a GPU only; use model.attention=sdpa")
    package = FLASH_PACKAGES.get(attention)
    if package is None:
        return
    fast = not on_cpu and config.engine.precision is Precision.bf16
    require(fast, f"{place} needs a GPU and engine.precision=bf16; use model.attention=sdpa")
    there = find_spec(package) is not None
    require(there, f"{place} needs the package {package}; install it or use model.attention=sdpa")


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
        check_validation(config, name, "eval.split=eval")


def _check_headline(
    where: str, scorer: str, headline: str, row: dict[str, Any], unit: str = SCORE_UNIT
) -> None:
    """The scorer, tried on an empty prediction, gives the metric that is named."""
    function = load_part(scorer, f"{where}.scorer", Kind.scorer)
    try:
        found = function(row, "")  # type: ignore[operator]
    except Exception as error:  # a user's own scorer may fail with anything
        told = f"{type(error).__name__}: {first_line(error)}"
        raise ConfigError(
            f"{where}.scorer: {scorer} fails on an empty prediction ({told})"
        ) from error
    problem = wrong_item(found, unit)
    if problem:
        raise ConfigError(f"{where}.scorer: {scorer}, on an empty prediction, {problem}")
    if headline not in found:
        raise ConfigError(
            f"{where}.headline={headline}: no such metric" + suggest(headline, list(found))
        )


def _check_benchmark(config: HarnessConfig, where: str, benchmark: BenchmarkConfig) -> None:
    require(benchmark.shots >= 0, f"{where}.shots={benchmark.shots}: it must be 0 or more")
    limit = benchmark.limit
    require(limit is None or limit >= 1, f"{where}.limit={limit}: it must be at least 1")
    if (benchmark.folder is None) == (benchmark.lm_eval_task is None):
        raise ConfigError(f"{where}: give either folder (local data) or lm_eval_task")
    if benchmark.folder is None:
        return
    if (benchmark.scorer is None) == (benchmark.source is None):
        raise ConfigError(f"{where}: a local benchmark needs either a scorer or a source")
    find = source_folder if benchmark.source is not None else rows_file
    try:
        place = find(config.data.suite_root, benchmark.folder)
    except HarnessError as error:
        raise type(error)(f"{where}: {error}") from error
    if benchmark.source is not None:
        measure(benchmark, place, where)
    else:
        row = read_rows(place)[0]
        _check_headline(where, str(benchmark.scorer), benchmark.headline, row, benchmark.unit)
