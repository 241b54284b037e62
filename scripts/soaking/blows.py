"""What is to happen to a sweep, and how often; which of it comes next is drawn."""

import signal
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from typing import Any

from soaking.places import Place


class Kind(StrEnum):
    """A kill, or what disturbs a sweep otherwise."""

    kill = "kill"
    full = "full disk"
    flipped_node = "bit of a node flipped"
    cut_node = "file of a node cut short"
    flipped_checkpoint = "bit of a checkpoint flipped"
    cut_checkpoint = "file of a checkpoint cut short"
    goes_on = "process stopped, then continued"
    stopped = "process stopped, then killed"
    beside = "second command beside"
    hung = "rank that hangs"


SHORT = (Place.checkpoint, Place.rename, Place.scoring, Place.hashing, Place.table)
# How often a process is at a place before it is killed there, at most: a checkpoint is several
# files, and a kill after more of them leaves more behind.
MOST = {Place.checkpoint: 9, Place.rename: 6, Place.scoring: 8, Place.hashing: 8, Place.table: 2}


class Who(StrEnum):
    """Whom a kill hits."""

    rank = "a rank"
    parent = "the parent"
    every = "all processes"


@dataclass(frozen=True)
class Blow:
    """One thing to do. nth: how often a process has to be at the place; share: of its steps that a
    stage has done before. other: of the ranks not the one that is met."""

    kind: Kind
    place: Place
    nth: int
    share: float
    who: Who
    signal: int
    other: bool


@dataclass(frozen=True)
class Happened:
    """What was done. at: seconds since 1970; detail: which file, or what came of it."""

    kind: Kind
    place: Place
    who: str
    signal: str
    at: float
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> "Happened":
        return cls(**{**told, "kind": Kind(told["kind"]), "place": Place(told["place"])})


def quota(kills: int, others: Iterable[Kind]) -> Counter[tuple[Kind, Place]]:
    """So many kills, as many at one short place as at another and the most inside stages; and one
    of each of the others."""
    places = (Place.stage, *SHORT)
    each = max(kills // len(places), 2) if kills < 20 else -(-kills // 9)
    wanted = Counter({(Kind.kill, place): each for place in places[: -(-kills // each)]})
    wanted[Kind.kill, Place.stage] += max(0, kills - each * len(places))
    wanted.update((kind, Place.elsewhere) for kind in others)
    return wanted


def left(
    wanted: Counter[tuple[Kind, Place]], happened: Iterable[Happened]
) -> Counter[tuple[Kind, Place]]:
    """What of it has not happened yet."""
    done = Counter(
        (one.kind, one.place if one.kind is Kind.kill else Place.elsewhere) for one in happened
    )
    return wanted - done


def drawn(pool: Counter[tuple[Kind, Place]], source: Random) -> Blow:
    """One of what is left, what is left most often the likeliest."""
    names = sorted(pool)
    (kind, place), *_ = source.choices(names, [pool[name] for name in names])
    if kind is Kind.full:
        place = source.choice((Place.checkpoint, Place.scoring, Place.rename))
    elif kind is not Kind.kill:
        place = Place.stage
    who = source.choices([*Who], [4, 3, 2])[0]
    gentle = source.random() < 0.3
    signals = {Who.rank: [signal.SIGTERM], Who.parent: [signal.SIGTERM, signal.SIGUSR1]}
    chosen = source.choice(signals.get(who, [signal.SIGKILL])) if gentle else signal.SIGKILL
    nth = source.randint(1, MOST.get(place, 1))
    return Blow(
        kind, place, nth, source.uniform(0.05, 0.9), who, int(chosen), source.random() < 0.5
    )
