"""The protocol of a strategy: one ingredient of a method, with hooks that training calls.

A method's stack is a list of strategies; the empty stack is sequential fine-tuning. A subclass
overrides the hooks it needs and nothing else; it never calls backward or step and never touches
`param.grad`, `param.data` or DeepSpeed: weights and gradients go through the `View`
(harness/train/engine/view.py). The hooks of a stack run in the order of the configuration.
Modules in this package import torch inside functions only, so that a configuration is checked
without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from harness.config import AdapterConfig
from harness.config.parts import Kind

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.batches import MicroBatch
    from harness.data.task_data import TaskData
    from harness.train.engine.sharded_file import SavedState
    from harness.train.engine.view import Sharded, View


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
    """The tasks trained before, visit by visit, and their training data in the run's encoding."""

    tasks: Sequence[str]

    def load(self, task: str) -> "TaskData":
        """The encoded training split of an earlier task."""

    def load_file(self, path: str) -> "TaskData":
        """The encoded rows of a file, named `extra`, with the widest limits of the sequence."""


@dataclass
class Strategy:
    """Base of all strategies: every hook does nothing. Parameters are the dataclass's fields."""

    part_kind: ClassVar[Kind] = Kind.strategy
    abstract: ClassVar[bool] = True  # a base of strategies, itself none; not inherited
    file_parameters: ClassVar[tuple[str, ...]] = ()
    # Parameters that hold the dotted path of a user's own function.
    code_parameters: ClassVar[tuple[str, ...]] = ()
    supports_packing: ClassVar[bool] = True
    # Is it defined with an adapter: any (with and without), required, stacked (one that is fresh
    # at every task beside the earlier ones), refused?
    adapter: ClassVar[str] = "any"
    # Does it freeze other weights at other tasks? Then moments cannot be carried over.
    changes_trained: ClassVar[bool] = False
    # Does it train weights that it froze at an earlier task?
    thaws: ClassVar[bool] = False
    # Does `edit_gradients` mask or project the gradient that it finds? A later penalty escapes it.
    bounds_gradient: ClassVar[bool] = False
    # Of one group, a method takes one strategy: what the first does the next would undo.
    group: ClassVar[str | None] = None
    # Raised when what it computes changes, so that stored stages of before are not taken for it.
    version: ClassVar[int] = 1

    def join_adapter(self, adapter: AdapterConfig | None) -> None:
        """The method's adapter, or None: called once, first, and without torch. Raises ConfigError
        where the parameters do not go with it."""

    def needs_history(self) -> bool:
        """Does it do nothing where no task was trained before? Then models of one task each
        and of all tasks at once refuse it."""
        return False

    def adds_gradient(self) -> bool:
        """Does `edit_gradients` add the gradient of a penalty?"""
        return False

    def carries_weights(self) -> bool:
        """Is a value for every trained weight handed to the next stage? Then every task has to
        train the same weights: no fresh adapter, nothing thawed."""
        return False

    def check_model(self, description: Mapping[str, Any]) -> None:
        """Raise ConfigError where the model's config.json rules the parameters out."""

    def key_inputs(self, history: Sequence[str]) -> Inputs:
        """Data that enters the content key of the stage after `history`; called without torch."""
        return Inputs()

    def prepare_model(self, model: Any, task: str, earlier: Sequence[str], seed: int) -> Any:
        """Change the whole fp32 module before DeepSpeed takes it (freeze parts, register hooks);
        returns the module to train. `earlier`: the tasks trained before, visit by visit."""
        return model

    def training_data(self, data: "TaskData", history: History, seed: int) -> "TaskData":
        """The examples to train on, from the task's own and what `history` gives."""
        return data

    def phases(self, data: "TaskData", history: History) -> list[Phase]:
        """Extra passes after the task's own epochs."""
        return []

    def before_task(self, view: "View", task: str) -> None:
        """The engine is up; training of `task` starts."""

    def token_loss(self, batch: "MicroBatch", logits: "Tensor") -> "Tensor | None":
        """An extra loss per answer token, [n]; normalised like the objective. Called after every
        forward pass of training and no other; on an idle rank (`batch.idle`) it weighs nothing,
        and what is measured there must not be counted."""
        return None

    def edit_gradients(self, view: "View", step: int, total_steps: int) -> None:
        """Between the last backward pass of optimizer step `step` (from 0, over all phases) and
        clipping: the only place where gradients can be read and changed."""

    def after_step(self, view: "View", step: int, total_steps: int) -> None:
        """The weights of optimizer step `step` are in place."""

    def finish_weights(self, view: "View", task: str) -> None:
        """Training of `task` is over: the last place to change weights, which are exported then."""

    def after_task(self, view: "View", task: str, data: "TaskData") -> None:
        """The weights of the stage are final, the engine is still up; `data` are the task's own
        examples. The place to measure what the next stage needs."""

    def memory_rows(self) -> int:
        """Rows of earlier tasks that the strategy held for anything but training on them."""
        return 0

    def state_dict(self) -> "tuple[Mapping[str, Tensor | Sharded], dict[str, Any]]":
        """What the next stage needs, asked after `after_task`: tensors (the same on every rank) or
        sharded quantities by name, and plain JSON."""
        return {}, {}

    def load_state_dict(self, saved: "SavedState", plain: dict[str, Any]) -> None:
        """What `state_dict` gave at the end of the previous stage, before the model is made. Keep
        `saved` and read sharded quantities in `before_task`: `saved.sharded(name, view)`."""
