"""The words of a plan: kinds of work, places in the score matrix, the plan.

A piece of work is a frozen dataclass. Its fields are marked `identity()` (they can change its
result) or `detail()`, and its content key is derived from the former; nobody writes a key by hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from harness.config import JudgeConfig
from harness.config.fields import Record, detail, identity
from harness.config.plain import identity_of, plain, typed
from harness.store.keys import node_key
from harness.store.records import (
    Content,
    EarlierTask,
    Evaluation,
    Json,
    Lesson,
    Made,
    ModelRef,
    Neighbours,
    Part,
    TrainSettings,
)


@dataclass(frozen=True, kw_only=True)
class Work(Record):
    """One piece of work. stage: of the run, 0 being the initial model. effort: how long it takes
    beside others of its kind, for the time left."""

    kind: ClassVar[str]
    stage: int = detail()
    label: str = detail()
    effort: float = detail(0.0)

    def content(self) -> Json:
        """All that can change its result."""
        return {"kind": self.kind, **identity_of(self, self.kind)}

    @cached_property
    def key(self) -> str:
        """The content key."""
        return node_key(self.content())

    def made(self) -> Made:
        """What it makes, as other work names it."""
        return Made(self.kind, self.key)

    def needs(self) -> list[tuple[str, str]]:
        """(kind, key) of the work whose results this one reads."""
        return list(dict.fromkeys((ref.kind, ref.key) for ref in self._made_by_others()))

    def _made_by_others(self) -> Iterator[Made]:
        for spec in fields(self):
            value = getattr(self, spec.name)
            if spec.metadata["identity"]:
                yield from (r for r in _as_tuple(value) if isinstance(r, Made))

    def to_json(self) -> Json:
        """Plain JSON, of which `work_of` makes the same work again."""
        return plain(self)


@dataclass(frozen=True, kw_only=True)
class TrainWork(Work):
    """Train one stage. position: how many tasks the model has seen after it. replayed: data besides
    the tasks' own that strategies read; limits: the longest prompt and answer of rows among them
    that belong to no task. neighbours: with whom the stage exchanges rows. last: nothing goes on
    from here."""

    kind: ClassVar[str] = "train"
    model: ModelRef = identity()
    parts: tuple[Part, ...] = identity()
    settings: TrainSettings = identity()
    strategies: dict[str, Json] = identity(factory=dict)
    objective: Json = identity()
    micro_batch_size: int | None = identity(None)
    replayed: tuple[Content, ...] = identity(())
    limits: tuple[int, ...] = identity(())
    neighbours: Neighbours | None = identity(None)
    seed: int = identity()
    position: int = identity()
    task: str = detail()
    earlier: tuple[EarlierTask, ...] = detail(())
    last: bool = detail(False)


@dataclass(frozen=True, kw_only=True)
class EvalWork(Work, Evaluation):
    """Score one benchmark on one model. items and read_tokens: how much of it there is."""

    kind: ClassVar[str] = "eval"
    model: ModelRef = identity()
    items: int = detail(0)
    read_tokens: int = detail(0)
    by_likelihood: bool = detail(False)


@dataclass(frozen=True, kw_only=True)
class EditWork(Work):
    """Make a model of a base and models tuned from it. settings: the edit as the configuration
    has it; validation: what it chooses models by; lessons: of each tuned model's task the rows that
    it learns from."""

    kind: ClassVar[str] = "edit"
    edit: Json = identity()
    base: ModelRef = identity()
    tuned: tuple[ModelRef, ...] = identity()
    validation: tuple[Evaluation, ...] = identity(())
    lessons: tuple[Lesson, ...] = identity(())
    name: str = detail()
    settings: Json = detail()


@dataclass(frozen=True, kw_only=True)
class JudgeWork(Work):
    """Compare a model's answers to a benchmark with stage 0's. prompts, rules: versions of how a
    judge is asked and of how its replies count."""

    kind: ClassVar[str] = "judge"
    candidate: Made = identity()
    baseline: Made = identity()
    rubric: str = identity()
    judge: JudgeConfig = identity()
    prompts: int = identity()
    rules: int = identity()
    model: ModelRef = detail()
    benchmark: str = detail()
    items: int = detail(0)


KINDS: dict[str, type[Work]] = {c.kind: c for c in (TrainWork, EvalWork, EditWork, JudgeWork)}
Some = TypeVar("Some", bound=Work)


def work_of(data: Json) -> Work:
    """The work that `Work.to_json` described, in a job file or a manifest."""
    return typed(KINDS[data["kind"]], data)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


@dataclass(frozen=True)
class Cell:
    """One place in the score matrix and the key of the work that fills it."""

    stage: int
    trained_task: str | None
    suite: str
    benchmark: str
    key: str
    headline: str
    filter: str
    unit: str
    shots: int | None
    split: str
    kind: str = "eval"
    side: str | None = None


@dataclass
class Plan:
    """All work in an order that respects its inputs, all cells, and the run's columns."""

    run: Json
    nodes: list[Work]
    cells: list[Cell]

    def of(self, kind: type[Some]) -> list[Some]:
        """The work of one kind, in order."""
        return [node for node in self.nodes if isinstance(node, kind)]
