"""Experience replay: a part of every earlier task is mixed into the training of the next.

Rehearsal as in "Experience Replay for Continual Learning" (arXiv 1811.11682); TRACE (arXiv
2310.06762) replays a tenth. Here the replayed rows are mixed with the task's own and shuffled with
them, so that the optimizer steps grow by their number; TRACE's scripts run a separate pass instead
(replay_pass.py). Which rows: memory.py.
"""

from dataclasses import dataclass
from typing import ClassVar

from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.base import Strategy
from harness.methods.memory import Fill, Memory
from harness.methods.needs import Needs
from harness.methods.stage import Phase, Stage


@dataclass
class Replay(Strategy):
    """Train on D_t and on a memory of D_1 .. D_{t-1}, fixed by the seed.

    A task that is visited again is among the earlier ones: rows of its own are in the memory too.

    ratio: share of each earlier task's training rows, in [0, 1]; the same rows at every stage.
    buffer: unless null, the memory holds so many rows in all instead of a share, and `fill` says
        which. per_task: the same number of every earlier task, the first ones one more where it
        does not divide; a task's rows only ever leave. reservoir: every row seen so far is in it
        with equal chance, so that large tasks hold more of it.
    extra: file of further rows in TRACE's format (LIMA, say), replayed at every stage.
    extra_ratio: share of the extra rows, in [0, 1].
    """

    ratio: float = 0.1
    buffer: int | None = None
    fill: Fill = Fill.per_task
    extra: str | None = None
    extra_ratio: float = 1.0

    file_parameters: ClassVar[tuple[str, ...]] = ("extra",)

    def __post_init__(self) -> None:
        require_range("ratio", self.ratio, 0, 1)
        require_range("extra_ratio", self.extra_ratio, 0, 1)
        if self.buffer is not None:
            require_range("buffer", self.buffer, 0)
        elif self.fill is Fill.reservoir:
            raise ConfigError("fill=reservoir: it fills a buffer; set buffer to a number of rows")
        name = "reservoir" if self.fill is Fill.reservoir else "replay"
        self.memory = Memory(name, self.ratio, self.buffer, self.fill)

    def needs(self) -> Needs:
        active = self.memory.active
        return Needs(history=active and not self.extra, rows=active)

    def data(self, stage: Stage, phases: list[Phase]) -> list[Phase]:
        self.memory.collect(stage)
        drawn = self.fill is Fill.reservoir
        rows = self.memory.held if drawn else self.memory.in_file_order()
        first = phases[0].plus(rows)
        if self.extra:
            some = Memory("replay", self.extra_ratio)
            some.keep(some.choose(stage, stage.history.load_file(self.extra)))
            first = first.plus(some.in_file_order())
        return [first, *phases[1:]]
