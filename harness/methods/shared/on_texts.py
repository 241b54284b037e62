"""Base of the strategies that distil the initial model on texts that belong to no task."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.memory import Memory
from harness.methods.needs import Needs
from harness.methods.shared.distilling import Distilling
from harness.methods.shared.teacher import Teacher, Told
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State

if TYPE_CHECKING:
    from harness.methods.forward import Pass


@dataclass
class OnTexts(Distilling):
    """Asks the model before the first task about the texts, and hands on what it said.

    texts: a file of rows in TRACE's format; their answers count. batch_size: of them at every
        optimizer step, drawn anew.
    """

    abstract: ClassVar[bool] = True
    file_parameters: ClassVar[tuple[str, ...]] = ("texts",)
    texts_name: ClassVar[str]  # of the draws' random streams

    texts: str | None = None
    batch_size: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("batch_size", self.batch_size, 1)
        self.memory = Memory(self.texts_name, ratio=1.0)

    def needs(self) -> Needs:
        if not self.texts:
            raise ConfigError("texts: it needs a file of rows in TRACE's format")
        return Needs()

    def _tell(self, made: "Pass") -> Told:
        """What is kept of a pass over texts; see `Teacher.ask`."""
        raise NotImplementedError

    def load(self, saved: SavedState) -> None:
        self.teacher = Teacher.read(saved)

    def start(self, stage: Stage) -> None:
        self._keep_texts(stage)
        if not self.teacher.rows:
            self.teacher.ask(stage, self.memory.held, self._tell)

    def _keep_texts(self, stage: Stage) -> None:
        self.memory.keep(stage.history.load_file(self.texts).examples)

    def memory_rows(self) -> int:
        return len(self.memory)

    def state(self) -> State:
        return self.teacher.state()

    def running(self) -> State:
        return self.state()  # draws hang on the step alone

    def resume(self, stage: Stage, saved: SavedState) -> None:
        self._keep_texts(stage)
        self.load(saved)
