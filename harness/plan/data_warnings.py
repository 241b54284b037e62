"""What is odd about the data of a run and still allowed: said before anything is trained.

A score is the mean over its test items: repeated ones count twice, ones seen in training are easier
than others, and a handful of them tells little. Prompts are compared exactly.
"""

from collections.abc import Iterator, Sequence
from math import sqrt
from pathlib import Path

from harness.config import HarnessConfig, TaskConfig
from harness.data.overlap import distinct_prompts, selects_on_test, shared_prompts
from harness.data.rows import Row, read_rows
from harness.plan.checks.likewise import once
from harness.plan.tokens import TokenCounts
from harness.store.work import EvalWork, TrainWork, Work
from harness.train.blur import crossing_rows

FEWEST_ITEMS = 50  # below, a standard error is 7 points and more
SHARE = 0.01  # of rows, from which repeats and cuts are told


def data_warnings(config: HarnessConfig, works: Sequence[Work]) -> list[str]:
    """A line for each oddity of the files that work is to read, alike ones of several tasks in one:
    repeated rows, empty answers, prompts of training that are scored, too few different items."""
    told = [(name, list(_of_task(config, name))) for name in _tasks(config, works)]
    return once(
        [(f"{name}|{config.task[name].folder}", lines) for name, lines in told], config.data.root
    )


def cut_warnings(config: HarnessConfig, works: Sequence[Work], counts: TokenCounts) -> list[str]:
    """A line for each task of whose training rows a share is cut. counts: of their tokens, by
    file."""
    told = []
    parts = {
        part.name: part for work in works if isinstance(work, TrainWork) for part in work.parts
    }
    for name, part in parts.items():
        count, task, lines = counts[part.data.path], config.task[name], []
        if count.cut_prompts >= SHARE * count.rows:
            lines.append(_cut(name, "prompts", "beginning", count.cut_prompts, count.rows, task))
        if count.cut_answers >= SHARE * count.rows:
            lines.append(_cut(name, "answers", "end", count.cut_answers, count.rows, task))
        told.append((name, lines))
    return once(told)


def _cut(name: str, what: str, end: str, cut: int, rows: int, task: TaskConfig) -> str:
    key = f"max_{what[:-1]}_tokens"
    return (
        f"{name}: {cut / rows:.0%} of {rows} {what} in train lose their {end} "
        f"(task.{name}.{key}={getattr(task, key)})"
    )


def _tasks(config: HarnessConfig, works: Sequence[Work]) -> list[str]:
    """The tasks that are to be trained or scored, in their order."""
    scored = {work.benchmark.name for work in works if isinstance(work, EvalWork)}
    parts = (part for work in works if isinstance(work, TrainWork) for part in work.parts)
    named = scored | {part.name for part in parts}
    return [name for name in config.task if name in named]


def _of_task(config: HarnessConfig, name: str) -> Iterator[str]:
    folder, scored = Path(config.data.root) / config.task[name].folder, config.eval.split.value
    files = {split: folder / f"{split}.json" for split in dict.fromkeys(("train", "test", scored))}
    rows = {split: read_rows(path) for split, path in files.items() if path.is_file()}
    for split, found in rows.items():
        yield from _of_split(name, split, found)
    blur, train = config.sequence.blur, rows.get("train", ())
    if blur and not crossing_rows(len(train), blur):
        yield f"{name}: sequence.blur={blur:g} moves none of its {len(train)} rows"
    if scored in rows:
        yield from _few(name, scored, rows[scored])
    for split in rows.keys() - {"train"}:
        shared = shared_prompts(rows["train"], rows[split])
        if shared.rows:
            of = f"{shared.rows} of {len(rows[split])} rows of {split}"
            yield f"{name}: {of} have a prompt that is in train; their scores are no generalisation"
    if scored == "eval" and "test" in rows and selects_on_test(rows["eval"], rows["test"]):
        yield f"{name}: every prompt of eval is in test; choose nothing on it"


def _of_split(name: str, split: str, rows: list[Row]) -> Iterator[str]:
    different = distinct_prompts(rows)
    if len(rows) - different >= SHARE * len(rows):
        yield f"{name}: {split} repeats prompts, {different} different ones in {len(rows)} rows"
    empty = sum(not row["answer"].strip() for row in rows)
    if empty:
        yield f"{name}: {empty} of {len(rows)} answers in {split} are empty"


def _few(name: str, split: str, rows: list[Row]) -> Iterator[str]:
    """An accuracy of one half has this standard error, which no other exceeds."""
    different = distinct_prompts(rows)
    if different < FEWEST_ITEMS:
        error = 100 * sqrt(0.25 / different)
        yield (
            f"{name}: {split} has {different} different items, too few to tell methods apart "
            f"(standard error of an accuracy up to {error:.0f} points)"
        )
