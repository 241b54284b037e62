"""One display for a whole run: what is being done, how far, and how long it still takes."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from harness.cli.pace import Pace
from harness.run.events import Event
from harness.run.retention import holds_weights
from harness.run.steps import Step
from harness.store.listener import Notice
from harness.store.work import Work

WIDE = 80  # columns of a terminal with room for a bar


class _Screen(Progress):
    """A bar, and below it a line of what is measured at the moment, cut to the terminal."""

    under = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Both."""
        yield from super().get_renderables()
        if self.under:
            yield Text(self.under, style="dim", no_wrap=True, overflow="ellipsis")


class Display:
    """The watcher of a run: a live screen on a terminal, elsewhere a line per finished node. How
    the time left is known: `pace.py`.

    paces: kind of work -> seconds for each unit of its effort, of work that was done before; asked
        where there is something to do. beside: scoring has ranks of its own.
    """

    def __init__(
        self, paces: Callable[[], Mapping[str, float]] = dict, beside: bool = False
    ) -> None:
        self._paces, self.beside = paces, beside
        self.console = Console(stderr=True)
        self.live = self.console.is_terminal
        self.current = ""
        self.noticed: set[str] = set()

    def begin(self, works: Sequence[Work]) -> None:
        """Show that these are to do."""
        self.started = time.monotonic()
        sides = {work.key: self.beside and holds_weights(work) for work in works}
        self.pace = Pace(works, sides, self._paces(), self.started)
        self.doing = dict[bool, str]()
        self.steps: dict[str, Step] = {}
        self.figures: dict[str, dict[str, float]] = {}
        fixed = Column(no_wrap=True)
        self.bar = _Screen(
            TextColumn(
                "{task.description}",
                table_column=Column(no_wrap=True, ratio=1, overflow="ellipsis"),
            ),
            *((BarColumn(bar_width=20),) if self.console.width >= WIDE else ()),
            TextColumn("{task.percentage:>3.0f}%  left {task.fields[left]}", table_column=fixed),
            *((TextColumn("elapsed"), TimeElapsedColumn()) if self.console.width >= WIDE else ()),
            console=self.console,
            disable=not self.live,
            expand=True,
        )
        self.task = self.bar.add_task("starting", total=1.0, left="?")
        self.bar.start()

    def end(self) -> None:
        """Leave the terminal as it was."""
        self.bar.stop()

    def wait_for(self, holder: str) -> None:
        """Say who has what is left; off a terminal, whenever it is another."""
        before, self.current = self.current, f"waiting for {holder}"
        if self.live:
            self.bar.update(self.task, description=escape(self.current))
        elif self.current != before:
            print(self.current, file=sys.stderr, flush=True)

    def follow(self, event: Event) -> None:
        """Take in one event of a rank."""
        node = self.pace.works.get(event.key)
        if node is None:
            return
        if event.notice is not None:  # and no sign of getting on
            self._notice(event.notice)
            return
        if event.step is not None:
            self.steps[node.key] = event.step
            if event.step.figures:
                self.figures[node.key] = event.step.figures
        finished = self.pace.hear(event, time.monotonic())
        self.current = f"stage {node.stage} · {node.label}"
        step = self.steps.get(node.key)
        told = measured_at(step, self.figures.get(node.key, {})) if step else ""
        self.doing[self.pace.sides[node.kind]] = self.current
        if self.live:
            at = f"step {step.step}/{step.total} · {told}" if step and not finished else ""
            self.bar.under = at
            shown = escape(" | ".join(self.doing.values()))
            self.bar.update(self.task, completed=self._done(), description=shown, left=self._left())
        elif finished:
            shares = self.pace.shares
            count = sum(done >= 1.0 for done in shares.values())
            told = f" · {told}" if told else ""
            line = f"[{count}/{len(shares)}] {self.current}{told} · left {self._left()}"
            print(line, file=sys.stderr, flush=True)

    def _notice(self, notice: Notice) -> None:
        """Print it above the bar, or as a line, unless something of its topic was said before."""
        if notice.topic not in self.noticed:
            self.noticed.add(notice.topic)
            kind = "warning" if notice.warning else "note"
            self.console.print(
                f"{kind}: {notice.line}", markup=False, highlight=False, soft_wrap=True
            )

    def _done(self) -> float:
        left = self.pace.seconds_left()
        elapsed = time.monotonic() - self.started
        return elapsed / (elapsed + left) if left is not None else 0.0

    def _left(self) -> str:
        left = self.pace.seconds_left()
        return "?" if left is None else minutes(left)


def measured_at(step: Step, figures: Mapping[str, float]) -> str:
    """A step in words: its loss, the pace, and the strategies' own figures."""
    parts = [] if step.loss is None else [f"loss {step.loss:.4g}"]
    if step.tokens_per_second is not None:
        parts.append(f"{step.tokens_per_second:,.0f} tokens/s")
    parts += [f"{name} {value:.3g}" for name, value in figures.items()]
    return " · ".join(parts)


class Meter:
    """A bar for one piece of work that tells how far it is; off a terminal, a line now and then."""

    QUIET_SECONDS = 10.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.console = Console(stderr=True)
        self.started = self.told = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%  left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )
        self.task = self.bar.add_task(name, total=None)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def update(self, done: int, total: int) -> None:
        """`done` of `total` units of work are done."""
        self.bar.update(self.task, completed=done, total=total)
        now = time.monotonic()
        if not self.console.is_terminal and now - self.told >= self.QUIET_SECONDS and done:
            self.told = now
            left = (now - self.started) * (total - done) / done
            print(
                f"{self.name}: {100 * done / total:.0f}% · left {minutes(left)}",
                file=sys.stderr,
                flush=True,
            )


class Jobs:
    """Which of several jobs begins, a line each, and how long the rest takes at the pace so far.

    It counts wall-clock time, on which the processes of a sweep agree.
    """

    def __init__(self, total: int) -> None:
        self.total, self.started = total, time.time()

    def begin(self, number: int, label: str) -> None:
        """Job `number`, from 0, begins; `number` jobs were begun before it."""
        left = "?"
        if number:
            left = minutes((time.time() - self.started) * (self.total - number) / number)
        line = f"job {number + 1}/{self.total} · {label} · left {left}"
        print(line, file=sys.stderr, flush=True)


def minutes(seconds: float) -> str:
    """Minutes and seconds, as 3:07."""
    whole, rest = divmod(round(seconds), 60)
    return f"{whole}:{rest:02d}"
