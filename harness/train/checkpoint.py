"""A stage that goes on in its middle: what of it is kept between two steps, when, and how it is
taken up. All ranks do it together; the first one looks at the clock and writes. Steps wait until
the bytes are handed to the system; hashing, the disk and the rename go on behind them."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import DataError, StageFailed
from harness.methods.base import running_state
from harness.methods.view import State
from harness.store.files import write_json
from harness.store.kept import Kept
from harness.store.listener import SILENT, Notice
from harness.train.behind import Behind
from harness.train.cost import CostMeter
from harness.train.engine.engine_file import (
    fits,
    load_engine,
    save_engine,
    set_step_counts,
    step_counts,
)
from harness.train.job import Progress
from harness.train.leaving import Leaving
from harness.train.states import RUNNING, read_states, values_file, write_states
from harness.train.training import Training

SHARE = 0.03  # of the time, at most, for those that are written by minutes
FORMAT = 2  # of what is written here; another one is not read
ENGINE, STAGE = "engine.safetensors", "stage.json"
# What a rank would do behind a step; the largest counts. GIVE_UP: what went on behind has failed.
GO_ON, KEEP, GIVE_UP, LEAVE = 0, 1, 2, 3


@dataclass(frozen=True)
class Keeping:
    """Where checkpoints of a stage are kept, and who hears that it goes on at a step of so many."""

    kept: Kept
    goes_on: Progress = SILENT.goes_on


class Checkpoints:
    """The checkpoints of one stage. keeping: None where there are none."""

    def __init__(
        self,
        training: Training,
        keeping: Keeping | None,
        meter: CostMeter,
        tell: Callable[[Notice], None],
    ) -> None:
        self.training, self.keeping, self.meter, self.tell = training, keeping, meter, tell
        self.rank, train = training.engine.rank, training.job.config.train
        self.steps, self.minutes = train.checkpoint_steps, train.checkpoint_minutes
        wanted = self.steps is not None or self.minutes is not None
        self.active = wanted and keeping is not None
        # The step of the latest one that is there, that of the one that was begun last; when steps
        # went on behind that, and how long they had waited.
        self.last_step, self.begun = 0, 0
        self.last_time, self.cost = time.monotonic(), 0.0
        self._leaving, self._behind = Leaving(), Behind()

    def begin(self) -> int:
        """Ready for a step, whose number is returned: the first one, or that behind the latest
        checkpoint that can be read."""
        found = None
        if self.keeping is not None:
            found = self.rank.told(self._latest(self.keeping.kept) if self.rank.first else None)
        if self.keeping is None or found is None:
            self.training.start()
            return 0
        step, total = int(found["step"]), self.training.stage.total
        folder = self.keeping.kept.path(step)
        try:
            self._take_up(folder, found)
        except DataError as error:
            raise DataError(f"{error}; remove {folder}, and the stage begins anew") from None
        self.keeping.goes_on(step, total)
        self._tell("goes on", f"goes on at step {step} of {total}")
        self.last_step = self.begun = step
        return step

    @contextmanager
    def following(self, progress: Progress) -> Iterator[Progress]:
        """What hears of every step: it passes that on and keeps the stage when it is time. Raises
        StageFailed where this process was asked to leave."""

        def after(done: int, total: int) -> None:
            progress(done, total)
            if self.active and done < total:
                self._after(done, total)

        self.last_time = time.monotonic()
        with self._leaving if self.active else nullcontext():
            try:
                yield after
            finally:
                # Also where a step fails: what is handed over is worth being taken up.
                self._behind.settle()

    def _after(self, done: int, total: int) -> None:
        told = self.rank.largest(self._decide(done))
        if told == GO_ON:
            return
        began = time.monotonic()
        if self._settle() and told != GIVE_UP:
            self._keep(done)
        # It may have been asked while it wrote; what it wrote is enough.
        if told == LEAVE or self.rank.largest(LEAVE if self._leaving.asked else GO_ON) == LEAVE:
            self._settle()
            last = self.last_step
            kept = f"step {last} of {total} is kept" if last else "nothing of it is kept"
            raise StageFailed(f"it was asked to end; {kept}")
        self.last_time = time.monotonic()
        self.cost = self.last_time - began

    def _decide(self, done: int) -> int:
        """What this rank would do; all leave where one was asked to: a launcher may ask the ranks
        of one machine alone."""
        if self._leaving.asked:
            return LEAVE
        if not self.rank.first:
            return GO_ON
        if self._behind.failed:
            return GIVE_UP
        seconds = time.monotonic() - self.last_time
        by_steps = self.steps is not None and done - self.begun >= self.steps
        by_time = self.minutes is not None and seconds >= 60 * self.minutes
        by_time = by_time and self.cost <= SHARE * seconds  # a large model on a slow disk
        by_time = by_time and not self._behind.busy
        return KEEP if by_steps or by_time else GO_ON

    def _settle(self) -> bool:
        """Wait for what goes on behind; is all well on every rank? Where it is not, there are no
        more checkpoints of this stage, and the latest one stays."""
        error = self._behind.settle()
        if self.rank.agree(error is None):
            self.last_step = self.begun
            return True
        self._end_unwritten(error or DataError("the first rank cannot write"))
        return False

    def _keep(self, step: int) -> None:
        """Hand a checkpoint over, unless a strategy cannot say what it would need, or the disk
        fails: there are no more of this stage then, and the latest one stays."""
        states = self.training.running()
        if states is None:
            self._end(
                "cannot be kept",
                f"{self._silent()} cannot say what a step needs of those "
                "before it (hook running); killed in this stage, a run begins it anew",
            )
            return
        error = self._write(step, states)
        if not self.rank.agree(error is None):
            self._end_unwritten(error or DataError("the first rank cannot write"))
            return
        self.begun = step

    def _end_unwritten(self, error: DataError) -> None:
        then = f"goes on at step {self.last_step}" if self.last_step else "begins it anew"
        said = f"{error}; no more checkpoints of this stage: killed in it, a run {then}"
        self.begun = self.last_step
        self._end("cannot be written", said)

    def _write(self, step: int, states: list[State]) -> DataError | None:
        """Collective, also where the first rank cannot write; what this rank knows of it."""
        try:
            with self._writing(step) as folder:
                self._fill(folder, step, states)
        except DataError as error:
            return error
        return None

    def _fill(self, folder: Path, step: int, states: list[State]) -> None:
        """Files of which the first rank alone hears that they fail come last."""
        training = self.training
        hours, peak = self.meter.read(self.rank.world)
        save_engine(folder / ENGINE, training.engine)
        counts = training.view.union(step_counts(training.engine))
        write_states(folder, states, training.view, RUNNING)
        if self.rank.first:
            said = {"step": step, "total": training.stage.total, "adam_steps": counts}
            said |= {"log": training.loop.log, "tokens": training.loop.tokens}
            write_json(folder / STAGE, said | {"device_hours": hours, "peak_memory": peak})

    @contextmanager
    def _writing(self, step: int) -> Iterator[Path]:
        """What is filled without an error appears behind the steps that follow. Raises DataError on
        all ranks where the first one cannot begin."""
        assert self.keeping is not None
        kept = self.keeping.kept
        with ExitStack() as stack:
            folder, error = kept.working(step), None
            if self.rank.first:
                try:
                    stack.enter_context(kept.writing(step, {"format": FORMAT}))
                except DataError as failed:
                    error = failed
            if not self.rank.agree(error is None):
                raise error or DataError("the first rank cannot write")
            yield folder
            if self.rank.first:
                self._behind.begin(stack.pop_all().close)

    def _end(self, topic: str, line: str) -> None:
        """No more checkpoints of this stage; asked to leave, its ranks end at once."""
        self.active = False
        self._leaving.close()
        self._tell(topic, line)

    def _latest(self, kept: Kept) -> dict[str, Any] | None:
        """What the latest checkpoint says that can be read; why others cannot is told in a line,
        and they are removed."""
        found, whys = None, list[str]()
        for step in kept.numbers():
            try:
                found = self._read(kept, step)
                break
            except DataError as error:
                whys.append(f"its checkpoint at step {step} cannot be used: {error}")
        if whys:
            then = "it starts anew" if found is None else "an older one is used"
            self._tell("unreadable", f"{whys[0]}; {then}")
        kept.tidy(None if found is None else int(found["step"]))
        return found

    def _read(self, kept: Kept, step: int) -> dict[str, Any]:
        """Raises DataError where it is not one of this stage, whole and of this format."""
        version, folder = kept.read(step).get("format"), kept.path(step)
        if version != FORMAT:
            raise DataError(f"it is of format {version}, this version reads {FORMAT}")
        missing = {ENGINE, STAGE, values_file(RUNNING)} - kept.read(step)["files"].keys()
        if missing:
            raise DataError(f"{', '.join(sorted(missing))}: not listed in its manifest")
        kept.verify(step)
        found = json.loads((folder / STAGE).read_text())
        total = self.training.stage.total
        if found["total"] != total:
            raise DataError(f"it is of a stage of {found['total']} steps, this one has {total}")
        if not fits(folder / ENGINE, self.training.engine):
            raise DataError("other weights are trained in it")
        return found

    def _take_up(self, folder: Path, found: dict[str, Any]) -> None:
        training = self.training
        load_engine(folder / ENGINE, training.engine)
        set_step_counts(training.engine, found["adam_steps"])
        training.resume(read_states(folder, RUNNING))
        training.loop.log, training.loop.tokens = found["log"], int(found["tokens"])
        self.meter.add(found["device_hours"], int(found["peak_memory"]))

    def _silent(self) -> str:
        """The strategies that cannot say what they need."""
        all_of_them = self.training.strategies
        return ", ".join(type(one).__name__ for one in all_of_them if running_state(one) is None)

    def _tell(self, topic: str, line: str) -> None:
        """Of this stage, once."""
        where = self.training.where
        self.tell(Notice(f"{topic} {where}", f"{where}: {line}"))
