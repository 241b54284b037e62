"""What work is made of: models, data, benchmarks, settings; frozen, every field with its mark."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.config import (
    EngineConfig,
    EvalConfig,
    MethodConfig,
    ModelConfig,
    TaskConfig,
    TrainConfig,
)
from harness.config.choices import Average, Side
from harness.config.fields import Record, detail, identity

Json = dict[str, Any]  # what truly is JSON: an identity, the settings of a part


@dataclass(frozen=True)
class Hub(Record):
    """A model of the hub, by name and revision."""

    kind: ClassVar[str] = "hub"
    path: str = detail()
    revision: str | None = detail()
    key: str = identity()


@dataclass(frozen=True)
class Folder(Record):
    """A model folder; the key is of the content of its files."""

    kind: ClassVar[str] = "folder"
    path: str = detail()
    key: str = identity()


@dataclass(frozen=True)
class Made(Record):
    """What a piece of work of the store made: its kind and its content key."""

    kind: str = detail()
    key: str = identity()


ModelRef = Hub | Folder | Made


@dataclass(frozen=True)
class Content(Record):
    """A file or a folder of data: where it lies, and the hash of what is in it."""

    path: str = detail()
    sha256: str = identity()


@dataclass(frozen=True)
class Named(Record):
    """A part that the configuration names: its public name, or for code of the user's own its
    path and the hashes of its files."""

    name: str = detail()
    content: str | Json = identity()


@dataclass(frozen=True)
class Part(Record):
    """One task's training split, and how often it is passed over."""

    name: str = identity()
    task: TaskConfig = identity()
    data: Content = identity()
    epochs: int = identity()


@dataclass(frozen=True)
class Lesson(Record):
    """Rows of one task that an edit learns from, and what their encoding depends on."""

    marks: ClassVar[str] = "train"
    name: str = identity()
    task: TaskConfig = identity()
    data: Content = identity()
    model: ModelConfig = identity()


@dataclass(frozen=True)
class Lender(Record):
    """A task of which rows train in a stage beside its own, and its training split."""

    name: str = identity()
    task: TaskConfig = identity()
    data: Content = identity()


@dataclass(frozen=True)
class Neighbours(Record):
    """What is on both sides of a stage whose boundaries are blurry: the share of every task's rows
    that crosses one, and the tasks of the stages before and after (null: there is none)."""

    share: float = identity()
    before: Lender | None = identity(None)
    after: Lender | None = identity(None)


@dataclass(frozen=True)
class EarlierTask(Record):
    """The training split of a task before. What a strategy reads of it is in `replayed`."""

    name: str = detail()
    path: str = detail()


@dataclass(frozen=True)
class Demonstrations(Record):
    """Solved rows that stand before every prompt of a task.

    instruction: what their prompts start with, said once. max_prompt_tokens: of the whole; half of
    what the instruction leaves is shared equally by the rows, which keep the ends of their
    prompts, and the question has the rest.
    """

    rows: Sequence[dict[str, str]] = identity(())
    instruction: str | None = identity(None)
    max_prompt_tokens: int | None = identity(None)


@dataclass(frozen=True, kw_only=True)
class Benchmark(Record):
    """What is scored: a task of the sequence or a benchmark of a suite, in one view.

    It has the fields of TaskConfig and of BenchmarkConfig that scoring reads, under their names.
    """

    name: str = identity()
    scorer: Named | None = identity(None)
    source: Named | None = identity(None)
    lm_eval_task: str | None = identity(None)
    max_prompt_tokens: int | None = identity()
    max_answer_tokens: int = identity()
    shots: int = identity(0)
    average: Average = identity(Average.subtasks)
    version: int = identity(1)
    headline: str = detail()
    filter: str = detail("none")
    unit: str = detail("score")
    side: Side | None = detail(None)


@dataclass(frozen=True)
class EvalSettings(Record):
    """The sections of the configuration that scoring reads; their marks say which keys count."""

    marks: ClassVar[str] = "eval"
    eval: EvalConfig = identity()
    engine: EngineConfig = identity()
    model: ModelConfig = identity()


@dataclass(frozen=True)
class TrainSettings(Record):
    """The sections of the configuration that training reads; their marks say which keys count."""

    marks: ClassVar[str] = "train"
    train: TrainConfig = identity()
    method: MethodConfig = identity()
    engine: EngineConfig = identity()
    model: ModelConfig = identity()


@dataclass(frozen=True, kw_only=True)
class Evaluation(Record):
    """A benchmark as it is put to a model.

    data: null for tasks that ship with lm-eval. limit: first so many items of every subtask.
    cut: of a prediction, what stands before this text is scored. seed: null where nothing is drawn.
    """

    benchmark: Benchmark = identity()
    data: Content | None = identity()
    limit: int | None = identity(None)
    temperature: float = identity(0.0)
    seed: int | None = identity(None)
    shown: Demonstrations | None = identity(None)
    cut: str | None = identity(None)
    lm_eval: str | None = identity(None)
    settings: EvalSettings = identity()
