"""The protocol of a strategy: one ingredient of a method, with hooks that training calls.

A method's stack is a list of strategies; the empty stack is sequential fine-tuning. A subclass
overrides the hooks it needs and nothing else; it never calls backward or step and never touches
`param.grad`, `param.data` or DeepSpeed. Modules in this package import torch inside functions
only, so that a configuration is checked without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.packing import MicroBatch
    from harness.data.task_data import TaskData


@dataclass
class Phase:
    """One pass of training: which data, for how many epochs."""

    data: "TaskData"
    epochs: int
    name: str = "train"


@dataclass(frozen=True)
class Inputs:
    """What a strategy reads besides the task's own data: training splits of earlier tasks, by
    name, and files in TRACE's format, by path."""

    tasks: Sequence[str] = ()
    files: Sequence[str] = ()


class History(Protocol):
    """The tasks trained before, and access to training data in the run's encoding."""

    tasks: Sequence[str]

    def load(self, task: str) -> "TaskData":
        """The encoded training split of an earlier task."""

    def load_file(self, path: str) -> "TaskData":
        """The encoded rows of a file, with the widest limits of the sequence's tasks."""


@dataclass
class Strategy:
    """Base of all strategies: every hook does nothing. Parameters are the dataclass's fields."""

    file_parameters: ClassVar[tuple[str, ...]] = ()
    supports_packing: ClassVar[bool] = True

    version: int = field(default=1, kw_only=True)

    def key_inputs(self, history: Sequence[str]) -> Inputs:
        """Data that enters the content key of the stage after `history`; called without torch."""
        return Inputs()

    def prepare_model(self, model: Any, task: str) -> Any:
        """Change the whole fp32 module before DeepSpeed takes it; returns the module to train."""
        return model

    def training_data(self, data: "TaskData", history: History, seed: int) -> "TaskData":
        """The examples to train on, from the task's own and what `history` gives."""
        return data

    def phases(self, data: "TaskData", history: History) -> list[Phase]:
        """Extra passes after the task's own epochs."""
        return []

    def before_task(self, task: str) -> None:
        """The engine is up; training of `task` starts."""

    def token_loss(self, batch: "MicroBatch", logits: "Tensor") -> "Tensor | None":
        """An extra loss per answer token, [n]; normalised like the objective."""
        return None

    def after_task(self, task: str, data: "TaskData") -> None:
        """Training of `task` is over; the engine is still up."""

    def state_dict(self) -> tuple[dict[str, "Tensor"], dict[str, Any]]:
        """Tensors by name and plain JSON, carried to the next stage."""
        return {}, {}

    def load_state_dict(self, tensors: dict[str, "Tensor"], plain: dict[str, Any]) -> None:
        """What `state_dict` gave at the end of the previous stage."""
