"""Worlds of right and wrong answers whose true means are known, for intervals to be tried on.

An answer is right where a normal latent is above 0: how easy the cell is, less how hard the item is
for everybody, less how hard it is for this model, more or less the luck of the seed, and chance of
variance 1. The true mean over all seeds and items is then a value of the normal distribution
function.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

TASKS = 4
EFFECT = 0.2
COMMON = 0.5  # share of the luck's variance that a seed has on all tasks alike


@dataclass(frozen=True)
class World:
    """measure: OP and LA are one cell a task, BWT is the change between two. of: the measure of a
    method, or a difference to a baseline on the same items and seeds. ease: of the cell, of the
    start for BWT (`fall` easier than the end). hard, own: standard deviations of items, for all and
    for one model and stage; spread: of seeds; cluster: so many items in a row are equally hard.
    effect: what the method is better by. rivals: methods beside the baseline, better: so many of
    them are better by the effect, others by nothing."""

    measure: str
    of: str
    items: int
    seeds: int
    spread: float
    effect: float = 0.0
    ease: float = 0.3
    fall: float = 0.0
    hard: float = 1.0
    own: float = 0.0
    cluster: int = 1
    rivals: int = 1
    better: int = 0

    @property
    def stages(self) -> int:
        """Cells of a task."""
        return 2 if self.measure == "BWT" else 1

    @property
    def reach(self) -> float:
        """Sum of |w| over the cells of a task."""
        return self.stages * (2 if self.of == "difference" else 1) / TASKS

    def truth(self, effect: float) -> float:
        """The measure or difference that a method with this effect has over all seeds and items."""
        deviation = math.sqrt(1 + self.hard**2 + self.own**2 + self.spread**2)
        end, start, base = (
            float(ndtr(ease / deviation))
            for ease in (self.ease - self.fall + effect, self.ease, self.ease - self.fall)
        )
        if self.of == "difference":
            return end - base
        return end - start if self.measure == "BWT" else end


def worlds() -> Iterator[World]:
    """All that are simulated."""
    seeds = [(1, 0.0), *itertools.product((3, 5), (0.0, 0.1, 0.25, 0.5))]
    kinds = [
        World("OP", "method", 0, 0, 0.0),
        World("OP", "difference", 0, 0, 0.0),
        World("LA", "difference", 0, 0, 0.0, ease=1.5),
        World("BWT", "method", 0, 0, 0.0, ease=1.0, fall=0.8),
        World("BWT", "difference", 0, 0, 0.0, ease=1.0, fall=0.8),
    ]
    for kind, items, (count, spread) in itertools.product(kinds, (30, 100, 500), seeds):
        world = replace(kind, items=items, seeds=count, spread=spread)
        yield world
        if world.of == "difference":
            yield replace(world, effect=EFFECT)
    paired, change = kinds[1], kinds[4]
    special = [
        *(replace(kind, own=1.0) for kind in (paired, change)),
        *(replace(kind, ease=3.0, effect=-EFFECT) for kind in (paired, replace(change, fall=0.2))),
        *(replace(paired, hard=hard) for hard in (0.0, 3.0)),
        *(replace(paired, cluster=5, own=own) for own in (0.0, 1.0)),
        *(replace(paired, rivals=5, better=better, effect=0.5) for better in (0, 2)),
    ]
    for kind, items, count, spread in itertools.product(special, (100, 500), (3, 5), (0.0, 0.25)):
        yield replace(kind, items=items, seeds=count, spread=spread)


def tables(source: np.random.Generator, world: World, count: int) -> Iterator[list[NDArray]]:
    """Contributions [count, S, n] of every task, for one rival after the other: those that are
    better first. All have the baseline's items, and its answers."""
    hard = [_hardness(source, world, count, world.hard) for _ in range(TASKS)]
    base = _measured(source, world, hard, 0.0) if world.of == "difference" else [0.0] * TASKS
    for rival in range(world.rivals):
        mine = world.effect if world.rivals == 1 or rival < world.better else 0.0
        own = _measured(source, world, hard, mine)
        yield [(a - b) / TASKS for a, b in zip(own, base, strict=True)]


def _hardness(
    source: np.random.Generator, world: World, count: int, deviation: float
) -> NDArray[np.float32]:
    """How hard items are [count, 1, n]."""
    groups = -(-world.items // world.cluster)
    drawn = deviation * source.standard_normal((count, 1, groups), dtype=np.float32)
    return np.repeat(drawn, world.cluster, axis=-1)[..., : world.items]


def _measured(
    source: np.random.Generator, world: World, hard: list[NDArray], effect: float
) -> list[NDArray]:
    """What every item of a method [count, S, n] adds to the mean over seeds and items, per task."""
    end = _answers(source, world, hard, world.ease - world.fall + effect)
    if world.stages == 1:
        return end
    start = _answers(source, world, hard, world.ease)
    return [a - b for a, b in zip(end, start, strict=True)]


def _answers(
    source: np.random.Generator, world: World, hard: list[NDArray], ease: float
) -> list[NDArray]:
    """Right (1) and wrong (0) answers [count, S, n] at a stage, per task."""
    count = len(hard[0])
    shape = (count, world.seeds, 1)
    luck = world.spread * math.sqrt(COMMON) * source.standard_normal(shape, dtype=np.float32)
    found = []
    for own in hard:
        level = ease + luck - own
        if world.spread:
            rest = world.spread * math.sqrt(1 - COMMON)
            level = level + rest * source.standard_normal(shape, dtype=np.float32)
        if world.own:
            level = level - _hardness(source, world, count, world.own)
        chance = source.standard_normal((count, world.seeds, world.items), dtype=np.float32)
        found.append((chance + level > 0).astype(np.float32))
    return found
