"""Blurry boundaries between tasks: at each, stages exchange some rows with their neighbours.

After the blurry setting of "Rainbow Memory" (arXiv 2103.17230, section 3), where a part of every
task's rows appears in other tasks; here it is in the stages next to its own. Rows are moved and not
copied, so that all stages together train on what they train on with sharp boundaries. They are
mixed into the stage's steps, in its own number of passes.
"""

import random
from pathlib import Path

from harness.data.encoding import PromptFormat
from harness.data.randomness import derive_seed
from harness.data.task_data import TaskData, load_task_data
from harness.store.records import Lender
from harness.train.job import TrainJob


def crossing_rows(size: int, share: float) -> int:
    """How many of `size` rows cross each boundary: `share` of them, rounded down."""
    return int(share * size + 1e-9)  # 0.3 * 10 is less than 3


def crossing(seed: int, task: str, size: int, share: float) -> tuple[list[int], list[int]]:
    """Which of a task's `size` rows train in the stage before and which in the stage after, none
    in both. Hangs on the run's seed and the task's name."""
    count = crossing_rows(size, share)
    drawn = random.Random(derive_seed("blur", seed, task)).sample(range(size), 2 * count)
    return sorted(drawn[:count]), sorted(drawn[count:])


def exchanged(own: TaskData, job: TrainJob, prompts: PromptFormat) -> TaskData:
    """The stage's rows: its own that stay, those of the task before that come late, those of the
    task after that come early."""
    near, seed = job.neighbours, job.config.seed
    if near is None:
        return own
    back, forward = crossing(seed, own.name, len(own.examples), near.share)
    gone = set(back if near.before else ()) | set(forward if near.after else ())
    rows = [row for place, row in enumerate(own.examples) if place not in gone]
    for lender, late in ((near.before, True), (near.after, False)):
        if lender is not None:
            data = _rows_of(lender, job, prompts)
            early_or_late = crossing(seed, lender.name, len(data.examples), near.share)[late]
            rows += [data.examples[place] for place in early_or_late]
    return TaskData(own.name, rows)


def _rows_of(lender: Lender, job: TrainJob, prompts: PromptFormat) -> TaskData:
    settings = job.config.task[lender.name]
    return load_task_data(lender.name, Path(lender.data.path), settings, prompts)
