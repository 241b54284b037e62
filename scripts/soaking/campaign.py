"""A sweep at one ZeRO stage: undisturbed once, then disturbed until all has happened that should,
and compared."""

import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from soaking.blows import Blow, Happened, Kind, drawn, left, quota
from soaking.command import Command
from soaking.control import Control
from soaking.disk import release, small_disk
from soaking.disturb import DISTURBANCES
from soaking.effort import effort
from soaking.harms import HARMS, harm
from soaking.places import Place
from soaking.record import Record, Result
from soaking.same import compared, differences
from soaking.site import Site
from soaking.sweep import Sweep

_MOST_ROUNDS = 8  # sweeps in which what is wanted of a ZeRO stage has to happen
_IN_VAIN = 4  # commands in a row that fail though nothing happened to them


class Campaign:
    """One ZeRO stage. minutes: of a disturbed sweep, after which nothing new happens to it; tell:
    hears a line of everything that happens, and how much is left."""

    def __init__(
        self,
        sweep: Sweep,
        zero: int,
        folder: Path,
        seed: int,
        minutes: float,
        tell: Callable[[str, int], None],
    ) -> None:
        self.sweep, self.zero, self.folder, self.seed = sweep, zero, folder, seed
        self.minutes, self.tell, self.until = minutes, tell, 0.0
        self.record = Record(folder, zero)
        self.tries = self.in_vain = 0
        self.since = 0.0

    @property
    def wanted(self) -> Counter[tuple[Kind, Place]]:
        """What has not happened yet and can."""
        kinds = [kind for kind in self.sweep.others if self.disk or kind is not Kind.full]
        return left(quota(self.sweep.kills, kinds), self.record.happened)

    def run(self) -> Result:
        """Do what is left of it."""
        result, self.since = self.record.result, time.time()
        if result.done:
            return result
        self.disk = small_disk(self.folder / "disk") if Kind.full in self.sweep.others else None
        lacks = self.disk is None and Kind.full in self.sweep.others
        result.skipped = [f"{Kind.full}: no file system can be mounted here"] if lacks else []
        whole = self._undisturbed()
        self.until = time.time() + 60 * self.minutes
        while not result.rounds or self._goes_on():
            self._round(whole)
        result.done = not self.wanted or result.rounds == _MOST_ROUNDS
        result.skipped += [] if result.done else [f"not reached in time: {self._lacking()}"]
        self._save()
        release(self.disk)
        return result

    def _save(self) -> None:
        """Keep what came of it so far, and how long that took."""
        self.record.result.seconds += time.time() - self.since
        self.since = time.time()
        self.record.save()

    def _goes_on(self) -> bool:
        if self.record.result.rounds == _MOST_ROUNDS:
            lacking = self._lacking()
            self.record.result.complaints += [f"never came to it: {lacking}"] if lacking else []
            return False
        return bool(self.wanted) and time.time() < self.until

    def _lacking(self) -> str:
        return ", ".join(f"{kind}, {place}" for kind, place in sorted(self.wanted))

    def _words(self, base: Path) -> list[str]:
        places = [f"store.root={base / 'store'}", f"store.results={base / 'results'}"]
        return [*self.sweep.overrides(self.zero), *places]

    def _undisturbed(self) -> Path:
        """The folder of the sweep to which nothing happened."""
        base, said = self.folder / "whole", self.folder / "whole.log"
        command = Command(self._words(base), None, said)
        if command.code != 0:
            raise SystemExit(f"the undisturbed sweep failed; {said} says why")
        return base

    def _round(self, whole: Path) -> None:
        """A sweep from its beginning, or from where it was left, to its end."""
        result = self.record.result
        base = (self.disk or self.folder / "disturbed") / f"round{result.rounds + 1}"
        control = self.folder / "control"
        if (
            not base.exists()
        ):  # nothing of it, or no more: what is mounted does not outlive a system
            shutil.rmtree(control, ignore_errors=True)
        site = self._site(base, Control(control))
        while self._command(site) != 0:
            pass
        last = site.start()  # for which nothing is left but to clear up
        result.complaints += ["the sweep was complete, and then it was not"] * (last.code != 0)
        result.different += differences(whole, base)
        result.files += compared(site.store)
        result.effort += effort(site.store, site.control.notes())
        result.rounds += 1
        self._save()
        shutil.rmtree(base)

    def _site(self, base: Path, control: Control) -> Site:
        result = self.record.result

        def start() -> Command:
            result.commands += 1
            said = self.folder / "commands" / f"{result.commands:04d}.log"
            return Command(self._words(base), control.folder, said)

        return Site(
            store=base / "store",
            control=control,
            ranks=self.sweep.ranks,
            timeout=60 * self.sweep.timeout,
            start=start,
            note=self._note,
            disk=self.disk,
            complaints=result.complaints,
        )

    def _note(self, happened: Happened) -> None:
        self.record.add(happened)
        self._save()
        about = f" {happened.signal} to {happened.who}" if happened.signal else ""
        place = "" if happened.kind is not Kind.kill else f", {happened.place}"
        self.tell(
            f"zero{self.zero} {happened.kind}{place}:{about} {happened.detail}",
            self.wanted.total(),
        )

    def _command(self, site: Site) -> int:
        """Change a file, perhaps; start the command, and have things happen to it until it ends.
        Returns its exit code."""
        before = len(self.record.happened)
        self._harm(site)
        started = [command := site.start()]
        try:
            while command.runs and (blow := self._next()):
                done, command = DISTURBANCES[blow.kind](blow, command, site)
                started += [] if command in started else [command]
                if done:
                    self._note(done)
            code = command.code
        finally:
            command.kill()
        site.complaints += [f"{one.said.name}: {one.complaint}" for one in started if one.complaint]
        self._count_in_vain(code, len(self.record.happened) > before, command.said)
        return code

    def _count_in_vain(self, code: int, disturbed: bool, said: Path) -> None:
        self.in_vain = 0 if code == 0 or disturbed else self.in_vain + 1
        if self.in_vain == _IN_VAIN:
            raise SystemExit(f"{_IN_VAIN} commands failed though nothing happened; see {said}")

    def _next(self) -> Blow | None:
        """What happens next to a command that runs. Where files of checkpoints are all that is left
        to change, a stage has to leave one."""
        if not self.wanted or time.time() >= self.until:
            return None
        pool = Counter({name: n for name, n in self.wanted.items() if name[0] not in HARMS})
        return drawn(pool or Counter([(Kind.kill, Place.stage)]), self._random())

    def _harm(self, site: Site) -> None:
        """Every third time a file is changed, as long as some kind of that is left; every time,
        where nothing else is."""
        kinds, source = {kind for kind, _ in self.wanted}, self._random()
        if time.time() >= self.until or (kinds - set(HARMS) and source.random() > 0.35):
            return
        left_over = sorted(kinds & set(HARMS))
        for kind in source.sample(left_over, len(left_over)):
            if done := harm(kind, site, source):
                self._note(done)
                return

    def _random(self) -> Random:
        """Of the next try, by what has happened so far."""
        self.tries += 1
        return Random(f"{self.seed} {self.zero} {len(self.record.happened)} {self.tries}")
