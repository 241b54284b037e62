"""One display for a whole run: what is being done, how far, and how long it still takes."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.run.events import Event
from harness.run.retention import holds_weights
from harness.store.listener import Notice
from harness.store.work import Work


class Display:
    """The watcher of a run: a live bar on a terminal, elsewhere a line per finished node.

    Training and scoring run at different speeds, so each kind's rate is measured by itself and
    the time left is the remaining work of each kind over its rate. Until a kind was measured, it
    counts with the rate of work that was done before, else with the other's. Where scoring has
    ranks of its own, training and scoring pass the same time, and the longer of both counts.

    paces: kind of work -> seconds for each unit of its effort, of work that was done before; asked
        where there is something to do. beside: scoring has ranks of its own.
    """

    def __init__(
        self, paces: Callable[[], Mapping[str, float]] = dict, beside: bool = False
    ) -> None:
        self._paces, self.beside = paces, beside
        self.paces: Mapping[str, float] = {}
        self.console = Console(stderr=True)
        self.live = self.console.is_terminal
        self.current = ""
        self.noticed: set[str] = set()

    def begin(self, works: Sequence[Work]) -> None:
        """Show that these are to do."""
        self.paces = self._paces()
        self.nodes = {work.key: work for work in works}
        self.fractions = dict.fromkeys(self.nodes, 0.0)
        self.before = dict.fromkeys(self.nodes, 0.0)  # done by a launch that was broken off
        self.spent = {work.kind: 0.0 for work in works}
        self.sides = {work.kind: self.beside and holds_weights(work) for work in works}
        self.started = time.monotonic()
        self.last = dict.fromkeys(self.sides.values(), self.started)
        self.doing = dict[bool, str]()
        self.made = dict[str, float]()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%  left {task.fields[left]}  elapsed"),
            TimeElapsedColumn(),
            console=self.console,
            disable=not self.live,
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
            self.bar.update(self.task, description=self.current)
        elif self.current != before:
            print(self.current, file=sys.stderr, flush=True)

    def follow(self, event: Event) -> None:
        """Take in one event of a rank."""
        node = self.nodes.get(event.key)
        if node is None:
            return
        if event.notice is not None:
            self._notice(event.notice)
        if event.before is not None:
            self.before[node.key] = event.before
        now, side = time.monotonic(), self.sides[node.kind]
        # Ranks that only score have waited for what others made for them.
        began = max(self.last[side], *(self.made.get(key, 0.0) for _, key in node.needs()), 0.0)
        self.spent[node.kind] += now - began
        self.last[side] = now
        finished = event.done >= 1.0 > self.fractions[node.key]
        if finished:
            self.made[node.key] = now
        # Ranks that share a piece of work may be heard in another order than they spoke.
        self.fractions[node.key] = max(event.done, self.fractions[node.key])
        self.current = self.doing[side] = f"stage {node.stage} · {node.label}"
        if self.live:
            told = " | ".join(self.doing.values())
            self.bar.update(self.task, completed=self._done(), description=told, left=self._left())
        elif finished:
            count = sum(done >= 1.0 for done in self.fractions.values())
            print(
                f"[{count}/{len(self.nodes)}] {self.current} · left {self._left()}",
                file=sys.stderr,
                flush=True,
            )

    def _notice(self, notice: Notice) -> None:
        """Print it above the bar, or as a line, unless something of its topic was said before."""
        if notice.topic not in self.noticed:
            self.noticed.add(notice.topic)
            kind = "warning" if notice.warning else "note"
            self.console.print(
                f"{kind}: {notice.line}", markup=False, highlight=False, soft_wrap=True
            )

    def _work(self, kind: str) -> tuple[float, float]:
        """What was done here, and what is left."""
        efforts = {n.key: max(n.effort, 1.0) for n in self.nodes.values() if n.kind == kind}
        shares, before = self.fractions, self.before
        done = sum(effort * (shares[key] - before[key]) for key, effort in efforts.items())
        return done, sum(effort * (1 - shares[key]) for key, effort in efforts.items())

    def _seconds_left(self) -> float | None:
        each = [self._seconds_of(side) for side in self.last]
        return max((left for left in each if left is not None), default=None)

    def _seconds_of(self, side: bool) -> float | None:
        """Those of the kinds of work that the same ranks do one after the other."""
        left, unmeasured, measured = 0.0, 0, False
        for kind, spent in self.spent.items():
            if self.sides[kind] != side:
                continue
            done, rest = self._work(kind)
            if done > 0 and spent > 0:
                left += rest * spent / done
                measured = True
            elif kind in self.paces:
                left += rest * self.paces[kind]
                measured = True
            elif rest > 0:
                unmeasured += 1
        return left * (1 + unmeasured) if measured else None

    def _done(self) -> float:
        left = self._seconds_left()
        elapsed = time.monotonic() - self.started
        return elapsed / (elapsed + left) if left is not None else 0.0

    def _left(self) -> str:
        left = self._seconds_left()
        return "?" if left is None else minutes(left)


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
