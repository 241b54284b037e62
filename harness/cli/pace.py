"""How long the rest of a run takes, from how fast it goes."""

from collections.abc import Mapping, Sequence

from harness.run.events import Event
from harness.store.work import Work

# Of a kind of work, or of a piece of it that runs, or seconds of either, before it tells a pace:
# scores that are computed together end together, and the first one of them tells little.
ENOUGH, LONG = 0.05, 20.0


class Pace:
    """Training and scoring run at different speeds, so each kind's rate is measured by itself and
    the time left is the remaining work of each kind over its rate. Of a kind the pace of what was
    finished here counts, with all that went into it but the start of the ranks; before that the
    pace of work that was done before; before that the pace of what runs, once a part of it is done:
    its first sign of life tells how long a model took to load, and nothing else. A kind without any
    pace counts as long as the others. Where scoring has ranks of its own, training and scoring pass
    the same time, and the longer of both counts.

    sides: work's key -> has it ranks of its own. paces: kind of work -> seconds for each unit of
    its effort, of work that was done before. now: seconds, by the clock that `hear` goes by.
    """

    def __init__(
        self,
        works: Sequence[Work],
        sides: Mapping[str, bool],
        paces: Mapping[str, float],
        now: float,
    ) -> None:
        self.works = {work.key: work for work in works}
        self.sides = {work.kind: sides[work.key] for work in works}
        self.paces = paces
        self.shares = dict.fromkeys(self.works, 0.0)
        self._before = dict.fromkeys(self.works, 0.0)  # done by a launch that was broken off
        self._heard: dict[str, float] = {}  # of work: its share at its first sign of life
        self._made: dict[str, float] = {}
        self._last = dict.fromkeys(self.sides.values(), now)
        self._started: set[bool] = set()
        self._spent = dict.fromkeys(self.sides, 0.0)
        self._running = dict.fromkeys(self.sides, 0.0)  # of it, behind first signs of life

    def hear(self, event: Event, now: float) -> bool:
        """Take in an event of one of these works; was it finished by that?"""
        work = self.works[event.key]
        side = self.sides[work.kind]
        # Ranks that only score have waited for what others made for them.
        began = max(self._last[side], *(self._made.get(key, 0.0) for _, key in work.needs()), 0.0)
        if event.before is not None:
            self._before[work.key] = event.before
        if work.key in self._heard:
            self._running[work.kind] += now - began
        else:
            self._heard[work.key] = event.done if event.done < 1 else self._before[work.key]
        if side in self._started or event.done >= 1:
            self._spent[work.kind] += now - began
        self._started.add(side)
        self._last[side] = now
        finished = event.done >= 1.0 > self.shares[work.key]
        if finished:
            self._made[work.key] = now
        # Ranks that share a piece of work may be heard in another order than they spoke.
        self.shares[work.key] = max(event.done, self.shares[work.key])
        return finished

    def seconds_left(self) -> float | None:
        """None where nothing is known yet."""
        each = [self._of_side(side) for side in self._last]
        return max((left for left in each if left is not None), default=None)

    def _of_side(self, side: bool) -> float | None:
        """Of the kinds of work that the same ranks do one after the other."""
        left, unmeasured, measured = 0.0, 0, False
        for kind in (kind for kind, own in self.sides.items() if own == side):
            rest = self._effort(kind, dict.fromkeys(self.works, 1.0), self.shares)
            rate = self._rate(kind)
            if rate is not None:
                left, measured = left + rest * rate, True
            elif rest > 0:
                unmeasured += 1
        return left * (1 + unmeasured) if measured else None

    def _rate(self, kind: str) -> float | None:
        """Seconds for a unit of effort."""
        done = self._effort(kind, self.shares, self._before)
        whole = sum(self._size(key) for key, work in self.works.items() if work.kind == kind)
        here = any(self.works[key].kind == kind for key in self._made)
        if here and done > 0 and (done >= ENOUGH * whole or self._spent[kind] >= LONG):
            return self._spent[kind] / done
        if kind in self.paces:
            return self.paces[kind]
        if here:
            return None
        heard = {key: self._heard.get(key, share) for key, share in self.shares.items()}
        done, spent = self._effort(kind, self.shares, heard), self._running[kind]
        running = [self._size(key) for key in self._heard if self.works[key].kind == kind]
        enough = bool(running) and done >= ENOUGH * running[-1] - 1e-9
        return spent / done if done > 0 and (enough or spent >= LONG) else None

    def _effort(self, kind: str, to: Mapping[str, float], since: Mapping[str, float]) -> float:
        """Of all work of a kind between two states."""
        keys = (key for key, work in self.works.items() if work.kind == kind)
        return sum(self._size(key) * (to[key] - since[key]) for key in keys)

    def _size(self, key: str) -> float:
        return max(self.works[key].effort, 1.0)
