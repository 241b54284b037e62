"""What is in a TRACE archive, against what is known of it: counts, hashes, repeats, leaks."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import Any

from harness.data.overlap import (
    Majority,
    Shared,
    distinct_prompts,
    majority,
    same_rows,
    selects_on_test,
    shared_prompts,
)
from harness.data.rows import SPLITS, Row, parse_rows
from harness.data.trace.archive import Archive, Tree, known_counts


class Source(StrEnum):
    """How a published number of rows is known: counted in the file, the number that the size is
    named after, inferred from totals, or not at all."""

    counted = "counted"
    nominal = "nominal"
    inferred = "inferred"
    unknown = "unknown"


@dataclass
class SplitReport:
    """One file: its rows, how many different prompts they hold, and the rows of the published
    file (None: unknown)."""

    rows: int
    prompts: int
    bytes: int
    sha256: str
    published: int | None
    source: Source

    @property
    def differs(self) -> bool:
        """Another number of rows than the published file has for certain."""
        certain = self.source in (Source.counted, Source.nominal)
        return certain and self.rows != self.published


@dataclass
class TaskReport:
    """One task: its files, prompts shared by pairs of splits ('train-test': how many of train are
    in test, and the rows of test they make up), and the most frequent test answer."""

    splits: dict[str, SplitReport]
    shared: dict[str, Shared]
    eval_equals_test: bool
    eval_within_test: bool
    majority: Majority | None


@dataclass
class SizeReport:
    """One size: its tasks, `deviations` from the published archive (one line each), and `notes`
    that a user of the data should know (one line each)."""

    size: str
    tasks: dict[str, TaskReport] = field(default_factory=dict)
    deviations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_size(archive: Archive, size: str, tree: Tree) -> SizeReport:
    """Read and judge every file of a size. Raises DataError for a file that is damaged or not in
    the format (a JSON list of {"prompt", "answer"} with strings)."""
    known = known_counts()[size]
    report = SizeReport(size)
    for task in known:
        if task not in tree.tasks:
            report.deviations.append(f"{task}: the folder is missing")
            continue
        report.tasks[task] = _check_task(archive, tree.tasks[task], known[task])
        _compare(task, report)
    others = sorted(set(tree.tasks) - set(known))
    if others:
        report.notes.append(f"folders that are no task of this size: {', '.join(others)}")
    return report


def _check_task(archive: Archive, members: dict[str, str], known: dict[str, Any]) -> TaskReport:
    rows: dict[str, list[Row]] = {}
    splits: dict[str, SplitReport] = {}
    for split in SPLITS:
        if split not in members:
            continue
        content = archive.read(members[split])
        rows[split] = parse_rows(content, f"{archive.path}: {members[split]}")
        splits[split] = SplitReport(
            rows=len(rows[split]),
            prompts=distinct_prompts(rows[split]),
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            published=known.get(split),
            source=_source(split, known),
        )
    both = "eval" in rows and "test" in rows
    return TaskReport(
        splits=splits,
        shared={
            f"{first}-{second}": shared_prompts(rows[first], rows[second])
            for first, second in combinations(SPLITS, 2)
            if first in rows and second in rows
        },
        eval_equals_test=both and same_rows(rows["eval"], rows["test"]),
        eval_within_test=both and selects_on_test(rows["eval"], rows["test"]),
        majority=majority(rows["test"]) if "test" in rows else None,
    )


def _source(split: str, known: dict[str, Any]) -> Source:
    if split not in known:
        return Source.unknown
    marked = (source for source in Source if split in known.get(source.value, ()))
    return next(marked, Source.counted)


def _compare(task: str, report: SizeReport) -> None:
    """Append the task's deviations and notes."""
    found = report.tasks[task]
    for split in SPLITS:
        if split not in found.splits:
            report.deviations.append(f"{task}: {split}.json is missing")
            continue
        part = found.splits[split]
        has = f"{task}: {split}.json has {part.rows} rows"
        if part.differs:
            report.deviations.append(f"{has}, the published one has {part.published}")
        elif part.source is Source.unknown:
            report.notes.append(f"{has}; the published number is not known")
        elif part.rows != part.published:
            report.notes.append(f"{has}; {part.published} were inferred from totals, not counted")
    report.notes += _leaks(task, found)


def _leaks(task: str, found: TaskReport) -> list[str]:
    notes = []
    for split, part in found.splits.items():
        if part.prompts < part.rows:
            notes.append(
                f"{task}: {split}.json repeats prompts: {part.prompts} in {part.rows} rows"
            )
    for pair, shared in found.shared.items():
        first, second = pair.split("-")
        if shared.prompts and not (pair == "eval-test" and found.eval_within_test):
            notes.append(
                f"{task}: prompts of {first} that are in {second} as well: {shared.prompts} "
                f"({shared.rows} of its {found.splits[second].rows} rows)"
            )
    if found.eval_equals_test:
        notes.append(f"{task}: eval is a permutation of test; choose nothing on it")
    elif found.eval_within_test:
        notes.append(f"{task}: every eval prompt is a test prompt; choose nothing on it")
    return notes
