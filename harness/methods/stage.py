"""The context of every hook: which task is trained, with which data, at which step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Protocol

from harness.data.randomness import derive_seed
from harness.data.task_data import TaskData

if TYPE_CHECKING:
    from torch import Generator

    from harness.data.batches import MicroBatch
    from harness.data.encoding import Example
    from harness.methods.view import View


class History(Protocol):
    """The tasks trained before, visit by visit, and their training data in the run's encoding."""

    tasks: Sequence[str]

    def load(self, task: str) -> TaskData:
        """The encoded training split of an earlier task. Raises StageFailed unless a strategy's
        needs() says rows=True: what is read has to enter the content key."""

    def load_file(self, path: str) -> TaskData:
        """The encoded rows of a file, named `extra`, with the widest limits of the sequence. Raises
        StageFailed for a file that no strategy names in its `file_parameters`."""


class Texts(Protocol):
    """The text behind the stage's own rows."""

    def of(self, row: "Example") -> tuple[str, str]:
        """Prompt and answer as they stand in the file. Raises StageFailed for a row that is none
        of the stage's own."""

    def encoded(self, row: "Example", prompt: str, answer: str) -> "Example":
        """A row with another text in the place of `row`, in the run's encoding; it tells whether
        the task's limits cut it."""


@dataclass
class Phase:
    """One pass of training: which rows, for how many epochs. The order of rows hangs on the name
    of the data."""

    data: TaskData
    epochs: int

    def plus(self, rows: "Sequence[Example]") -> "Phase":
        """The same phase with further rows behind its own."""
        return Phase(TaskData(self.data.name, [*self.data.examples, *rows]), self.epochs)


@dataclass
class Stage:
    """One task's training, as every hook sees it; the same values on every rank.

    task: its name. position: its place in the sequence, counted from 1; a task that is visited
    again has two places. seed: the run's. history: the tasks before. own: the task's own rows.
    phases: what is trained on, known from the hook `start` on; total: optimizer steps of all phases
    together, known likewise. learning_rate, examples: the current optimizer step's rate and rows.
    texts: what the own rows say, for the hook `data`.
    batch: the rows of the forward pass that runs at the moment, for hooks that a strategy puts into
    the model; None outside training's own forward passes.
    """

    task: str
    position: int
    seed: int
    history: History
    own: TaskData
    phases: list[Phase] = field(default_factory=list)
    total: int = 0
    learning_rate: float = 0.0
    examples: "Sequence[Example]" = ()
    batch: "MicroBatch | None" = None

    def __post_init__(self) -> None:
        self._view: View | None = None
        self._texts: Texts | None = None
        self._step: int | None = None

    @property
    def view(self) -> "View":
        """Weights and gradients of the running model. RuntimeError in `prepare_model`, before it
        runs."""
        if self._view is None:
            raise RuntimeError("the model does not run yet: use the view from `data` on")
        return self._view

    @property
    def texts(self) -> Texts:
        """The text of the stage's own rows. RuntimeError in `prepare_model`."""
        if self._texts is None:
            raise RuntimeError("texts are there from `data` on")
        return self._texts

    @property
    def step(self) -> int:
        """The optimizer step, from 0 over all phases. RuntimeError in hooks that belong to none."""
        if self._step is None:
            raise RuntimeError("no step is under way: use it in loss, gradients and weights")
        return self._step

    def random(self, name: str, *parts: object) -> Random:
        """A stream of random numbers of this task, and in a step's hooks of this step: another draw
        at each, the same on all ranks. `name` keeps it apart from the streams of others, `parts`
        from further ones of one's own (in `loss`, say, which is called for every pass of a step).
        """
        return Random(self._seed_of(name, parts))

    def generator(self, name: str, *parts: object) -> "Generator":
        """The same as a torch generator, on the CPU."""
        import torch

        return torch.Generator().manual_seed(self._seed_of(name, parts))

    def run_random(self, name: str, *parts: object) -> Random:
        """A stream of the whole run: the same draw at every task and step, for what has to be the
        same at each, such as which rows of an earlier task are kept."""
        return Random(derive_seed(name, self.seed, *parts))

    def _seed_of(self, name: str, parts: Sequence[object]) -> int:
        step = () if self._step is None else (self._step,)
        return derive_seed(name, self.seed, self.task, *parts, *step)

    # For the training loop.

    def model_runs(self, view: "View", texts: Texts | None = None) -> None:
        """The engine is up."""
        self._view, self._texts = view, texts

    def at_step(
        self, step: int | None, learning_rate: float = 0.0, examples: "Sequence[Example]" = ()
    ) -> None:
        """Optimizer step `step` begins; None: no step is under way."""
        self._step, self.learning_rate, self.examples = step, learning_rate, examples
