"""What is built: the tasks with their splits, the probes, and what the model is pretrained on."""

from collections.abc import Iterator
from random import Random

from harness.data.micro import (
    codelines,
    conduct,
    documents,
    opinions,
    science,
    skills,
    wordproblems,
)
from harness.data.micro.rows import Generator, Row, distinct

TASKS = [
    opinions.STANCE,
    opinions.POLICY,
    documents.MEETING,
    codelines.CODE,
    science.SCIENCE,
    wordproblems.SUMS,
    wordproblems.UNITS,
    documents.SIMPLE,
]
SPLITS = {"train": 400, "eval": 50, "test": 100}

PROBES = [
    skills.FACTS,
    skills.SEQUENCES,
    skills.ARITHMETIC,
    conduct.FOLLOW,
    conduct.HARMFUL,
    conduct.HARMLESS,
]
PROBE_ITEMS = 100
REPLAY_ITEMS = 40

# share of the pretraining rows; relatives keep the tasks off zero at the start
PRETRAINING: list[tuple[Generator, float]] = [
    (skills.FACTS, 0.07),
    (skills.SEQUENCES, 0.08),
    (skills.ARITHMETIC, 0.22),
    (conduct.FOLLOW, 0.08),
    (conduct.HARMFUL, 0.04),
    (conduct.HARMLESS, 0.04),
    (opinions.STANCE_RELATIVE, 0.05),
    (opinions.POLICY_RELATIVE, 0.06),
    (documents.MEETING_RELATIVE, 0.05),
    (codelines.CODE_RELATIVE, 0.04),
    (science.SCIENCE_RELATIVE, 0.11),
    (wordproblems.SUMS_RELATIVE, 0.07),
    (wordproblems.UNITS_RELATIVE, 0.05),
    (documents.SIMPLE_RELATIVE, 0.04),
]


def task_splits(generator: Generator) -> dict[str, list[Row]]:
    """Rows by split: the same rows on every machine, no prompt twice in or across splits."""
    taken: set[str] = set()
    return {
        split: distinct(generator, Random(f"{generator.name} {split}"), count, taken)
        for split, count in SPLITS.items()
    }


def probe_rows(generator: Generator) -> list[Row]:
    return distinct(generator, Random(f"{generator.name} test"), PROBE_ITEMS, set())


def held_out() -> set[str]:
    """Every prompt of the shipped data: pretraining must draw none of them."""
    rows = [row for task in TASKS for split in task_splits(task).values() for row in split]
    rows += [row for probe in PROBES for row in probe_rows(probe)]
    return {row["prompt"] for row in rows}


def general_rows() -> list[Row]:
    """Rows of the probes' skills that are no probe item: an extra set for replay."""
    banned = held_out()
    return [
        row
        for probe in PROBES
        for row in distinct(probe, Random(f"{probe.name} replay"), REPLAY_ITEMS, set(banned))
    ]


def pretraining_rows(seed: str) -> Iterator[Row]:
    """An endless stream of rows of the pretraining mix, none of them held out."""
    rng, banned = Random(seed), held_out()
    generators = [generator for generator, _ in PRETRAINING]
    weights = [weight for _, weight in PRETRAINING]
    while True:
        candidate = rng.choices(generators, weights)[0].make(rng)
        if candidate["prompt"] not in banned:
            yield candidate
