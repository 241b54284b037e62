"""What a command makes of work whose ranks failed: it launches them again, from what is kept of the
work; it goes on without a stage that diverged; or it ends."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from harness.config import HarnessConfig
from harness.errors import DataError, StageFailed
from harness.run.events import Event
from harness.run.halvings import known_halvings, most_halvings, note_halvings
from harness.run.launch.failure import Failure, Fault
from harness.store.broken import Broken, note_broken
from harness.store.listener import Notice
from harness.store.status import Status
from harness.store.store import Store
from harness.store.work import TrainWork, Work

# Before a launch again, so that what made ranks fail may pass; folders of logs are named by the
# second, too.
PAUSE_SECONDS = 1.0


class Faults:
    """The failures of one command's run. run: its key; tell: who hears a line on each launch again.

    halvings: of what is trained from now on, as RankJob says.
    """

    def __init__(
        self, config: HarnessConfig, store: Store, run: str, tell: Callable[[Event], None]
    ) -> None:
        self.config, self.store, self.run, self.tell = config, store, run, tell
        self.halvings = known_halvings(config, store)
        self._tries = Counter[str]()

    def meet(self, work: Work, why: Failure, log: Path, again: bool = True) -> None:
        """The first piece of work that a group did not finish. Returns where the command goes on,
        and raises StageFailed where that is the end. again: can its ranks be launched again?"""
        line = f"{why.line} (log: {log})"
        if why.kind is Fault.diverged and isinstance(work, TrainWork):
            self._diverged(work, why)
            return
        how = self._again(work, why) if again else None
        if how is None:
            with suppress(DataError):  # on a full disk, which is why it failed
                self._note(work, why, Status.failed)
            raise StageFailed(f"stage {work.stage}, {work.label}: {line}")
        told = f"stage {work.stage}, {work.label}: {line}; launched again {self._kept(work)}{how}"
        # Each is told, so each has a topic of its own.
        topic = f"{work.key} {self._tries[work.key]} {self.halvings}"
        self.tell(Event(work.key, 0.0, Notice(topic, told, warning=True)))
        time.sleep(PAUSE_SECONDS)

    def _again(self, work: Work, why: Failure) -> str | None:
        """How the work is launched again, in words; None where it is not."""
        trains = isinstance(work, TrainWork)
        if why.kind is Fault.memory and trains:
            return self._with_less()
        retries = self.config.run.retries
        may_pass = why.kind in (Fault.lost, Fault.hung, Fault.memory, Fault.starved)
        if not may_pass or self._tries[work.key] >= retries:
            return None
        self._tries[work.key] += 1
        # Whether it was the pass that took too much, a kernel that ends a process does not say.
        less = self._with_less() if why.kind is Fault.starved and trains else None
        return f"{less or ''}, {self._tries[work.key]} of {retries} times (run.retries)"

    def _with_less(self) -> str | None:
        """Half the tokens a pass; None where nothing is left to halve."""
        if self.halvings >= most_halvings(self.config):
            return None
        self.halvings += 1
        return f", with 1/{2**self.halvings} of the tokens that a pass has otherwise"

    def done(self, works: Sequence[Work]) -> None:
        """These are in the store. How often the tokens of a pass had to be halved for a stage is
        remembered for later commands, but not what did not help."""
        if self.halvings and any(isinstance(work, TrainWork) for work in works):
            with suppress(DataError):
                note_halvings(self.config, self.store, self.halvings)

    def _kept(self, work: Work) -> str:
        """Where the work goes on."""
        if not isinstance(work, TrainWork):
            return "behind what is done of it"
        steps = self.store.kept(work.kind, work.key, "").numbers()
        return f"from step {steps[0]}" if steps else "from its beginning"

    def _diverged(self, work: TrainWork, why: Failure) -> None:
        self._note(work, why, Status.diverged)
        if why.loss is None or not math.isfinite(why.loss):  # so may be the weights that are kept
            self.store.kept(work.kind, work.key, "").remove()

    def _note(self, work: Work, why: Failure, status: Status) -> None:
        """Tables and later commands tell it."""
        name = work.kind, work.key
        about = Broken(
            status, work.stage, work.label, self.run, why.line, time.time(), why.step, why.loss
        )
        note_broken(self.store, name, about)
