"""Rehearsal of the latest rows: every step also follows the gradient of a few of the rows that
earlier tasks trained on last."""

from dataclasses import dataclass

from harness.methods import Memory, Needs, RowId, SavedState, Stage, State, Strategy, require_range


@dataclass
class LatestRows(Strategy):
    """Add the gradient of the mean loss of some remembered rows.

    rows: how many are remembered. batch_size: of them at every step. strength: factor of their
    gradient, 0 or more.
    """

    rows: int = 16
    batch_size: int = 4
    strength: float = 1.0

    def __post_init__(self) -> None:
        self.memory = Memory("latest_rows", rows=self.rows)
        require_range("batch_size", self.batch_size, 1)
        require_range("strength", self.strength, 0)
        self.kept = []  # ids of the remembered rows, the latest at the end

    def needs(self) -> Needs:
        return Needs(history=True, rows=True, adds_gradient=True)

    def load(self, saved: SavedState) -> None:
        self.kept = [RowId(*row) for row in saved.values["rows"]]

    def start(self, stage: Stage) -> None:
        past = [stage.history.load(task) for task in dict.fromkeys(stage.history.tasks)]
        known = {row.id: row for data in past for row in data.examples}
        self.memory.keep([known[row] for row in self.kept])

    def gradients(self, stage: Stage) -> None:
        batch = self.memory.draw(stage, self.batch_size)
        if batch:
            old = stage.view.gradient_of(batch)
            stage.view.update_gradients(lambda s: s.grad.add_(old[s.name], alpha=self.strength))

    def measure(self, stage: Stage) -> None:
        trained = [*self.kept, *(row.id for row in stage.own.examples)]
        self.kept = trained[max(0, len(trained) - self.rows) :]

    def memory_rows(self) -> int:
        return len(self.memory)

    def state(self) -> State:
        return State(values={"rows": self.kept})

    def running(self) -> State:
        return State()  # draws hang on the step alone
