"""The protocol of an edit: new weights from a base model and models tuned from it.

An edit sees one tensor of every model at a time, as float32, and returns the new one. What it has
to know of all tensors (a norm, a threshold) it gathers in `prepare`, which may read them all.
Modules in this package import torch inside functions only.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from harness.config.parts import Kind, Part
from harness.config.ranges import require_finite
from harness.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.edits.lessons import Lessons


class Models(Protocol):
    """A base model and T >= 1 tuned ones with the same tensors."""

    count: int  # T
    sizes: dict[str, int]  # elements of each weight, by name

    def read(self, name: str) -> "tuple[Tensor, list[Tensor]]":
        """One weight of the base and of every tuned model, in float32."""


# Parts of one weight: of the base, and of every tuned model.
Parts = Iterable[tuple["Tensor", list["Tensor"]]]
Trial = Callable[[list[Path]], AbstractContextManager[Path]]


@dataclass
class Edit(Part):
    """Base of all edits. Parameters are the dataclass's fields."""

    part_kind: ClassVar[Kind] = Kind.edit
    abstract: ClassVar[bool] = True
    fewest: ClassVar[int] = 1
    most: ClassVar[int | None] = None
    # May `merge` be given a weight part by part, each flat? Parts stay in the processor's cache.
    in_parts: ClassVar[bool] = False
    # Which split of its models' tasks it learns from (train or eval); "" where weights say all.
    split: ClassVar[str] = ""
    # Does something of every model, about as large as its weights, wait on the disk meanwhile?
    keeps: ClassVar[bool] = False

    def chooses(self) -> bool:
        """Does it choose between models by a score on validation data? Then `score_by` comes before
        `select` wherever the configuration names no score of its own."""
        return False

    def score_by(self, scores: Callable[[Path], list[float]]) -> None:
        """Take a function from a model folder to its scores on the tasks so far, higher being
        better; an edit of one model has the task that it was trained on last."""

    def check_folders(self) -> None:
        """Raise ConfigError where folders of models alone do not say what to make of them."""
        if self.split:
            raise ConfigError(
                f"{type(self).__name__} learns from rows of its models' tasks, which folders do "
                "not have: merge the models of a run (method=...)"
            )

    def learn_from(self, lessons: "Lessons") -> None:
        """Take the rows and models that it asks for by `split`, before anything else."""

    def by_parts(self) -> bool:
        """Are weights given to it part by part?"""
        return self.in_parts

    def merges(self) -> bool:
        """Does it take the models of several tasks?"""
        return self.most != 1

    def check_count(self, count: int) -> None:
        """Raise ConfigError where the edit is not defined for `count` tuned models."""
        name = type(self).__name__
        if count < self.fewest:
            raise ConfigError(f"{name} needs at least {self.fewest} tuned models, got {count}")
        if self.most is not None and count > self.most:
            raise ConfigError(f"{name} takes at most {self.most} tuned model(s), got {count}")

    def select(self, tuned: list[Path], trial: Trial) -> tuple[list[Path], dict[str, Any]]:
        """Which models take part, and what to tell of the choice; `trial(models)` writes this
        edit of some of them into a folder for as long as its context lasts."""
        return tuned, {}

    def passes(self, count: int) -> int:
        """How often `prepare` reads all weights of `count` tuned models."""
        return 0

    def prepare(self, models: Models) -> dict[str, Any]:
        """Gather what `merge` needs; returns what to tell the user (plain JSON)."""
        return {}

    def survey(self, name: str, parts: Parts) -> None:
        """Gather what `merge` needs of all of a weight, whose turn it is next."""

    def merge(self, name: str, base: "Tensor", tuned: "list[Tensor]") -> "Tensor":
        """The new weight. The tensors given must not be changed in place."""
        raise NotImplementedError


@dataclass
class TaskVectorEdit(Edit):
    """theta_0 + scale * tau(tau_1, ..., tau_T), where tau_t = theta_t - theta_0.

    scale: factor of the merged vector, any finite number.
    """

    abstract: ClassVar[bool] = True
    scale: float = 1.0

    def __post_init__(self) -> None:
        require_finite("scale", self.scale)

    def vector(self, name: str, vectors: "list[Tensor]") -> "Tensor":
        """The merged task vector, before `scale`; of a part of a weight, that part of it."""
        raise NotImplementedError

    def merge(self, name: str, base: "Tensor", tuned: "list[Tensor]") -> "Tensor":
        vector = self.vector(name, [model - base for model in tuned])
        return base.add(vector, alpha=self.scale)
