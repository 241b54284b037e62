"""What a run prints when it is over."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.cli.say import say
from harness.config import HarnessConfig
from harness.config.sequence import task_order
from harness.errors import DataError
from harness.plan.data_warnings import data_warnings
from harness.results.report.terminal import main_table_markdown, matrix_markdown
from harness.results.schema import Scores, read_scores
from harness.run.job import Job
from harness.run.tables import table_path
from harness.store.contents import present
from harness.store.store import Store


def show_notes(job: Job, told: set[str]) -> None:
    """Print, before a run, whose code it will run, what was guessed about the tasks of
    `sequence.from_folder`, and what is odd about the data that it will read. told: what was said
    of earlier jobs of a sweep."""
    config = job.config
    if config.model.trust_remote_code:
        print(
            f"warning: model.trust_remote_code=true runs the code that {config.model.path} ships"
            + (f" at {config.model.revision}" if config.model.revision else ""),
            file=sys.stderr,
        )
    show_guessed(config, told)
    there = present(job.store.root)
    missing = [node for node in job.plan.nodes if (node.kind, node.key) not in there]
    for line in (line for line in data_warnings(config, missing) if line not in told):
        told.add(line)
        say(f"warning: {line}")


def show_guessed(config: HarnessConfig, told: set[str]) -> None:
    """Print the scorer of every task of `sequence.from_folder`, and whether it was guessed."""
    if config.sequence.from_folder is None:
        return
    for name in dict.fromkeys(task_order(config)):
        task = config.task[name]
        source = "given" if name in config.sequence.scorers else "guessed"
        line = f"{name}: {task.scorer} ({source}; task.{name}.scorer=... overrides)"
        if line not in told:
            told.add(line)
            say(line)


def show_sweep(jobs: Sequence[Job]) -> None:
    """Print one main table of all that these jobs have in a table of scores, where that are
    several runs."""
    runs, stores = dict[Path, set[str]](), dict[Path, Store]()
    for job in jobs:
        runs.setdefault(table_path(job), set()).add(job.plan.run["run"])
        stores[table_path(job)] = job.store
    for path, names in runs.items():
        with suppress(DataError):  # nothing was scored, which is told elsewhere
            rows = [row for row in read_scores(path).rows if row["run"] in names]
            found = {row["run"] for row in rows}
            if len(found) > 1:
                say(f"\nall {len(found)} runs of this sweep:\n")
                say(main_table_markdown(Scores.of(rows), stores[path]))


def show_outcome(outcome: Any, store: Store, others: bool = True) -> None:
    """Print what was done, the run's main table, its score matrix and where everything is; store:
    the run's; others: and which other runs have weights stay."""
    run = outcome.plan.run["run"]
    minutes, seconds = divmod(round(outcome.seconds), 60)
    found = f" ({outcome.found} more were in the store)" if outcome.found else ""
    say(
        f"trained {outcome.trained} stages, scored {outcome.scored} cells "
        f"in {minutes}:{seconds:02d}{found}\n"
    )
    for task, shares in outcome.cut.items():
        if any(shares.values()):
            told = f"{shares['prompt']:.1%} of its prompts, {shares['answer']:.1%} of its answers"
            say(f"cut to fit while training {task}: {told}")
    mine = outcome.scores
    say(main_table_markdown(mine, store))
    say(matrix_markdown(mine, run))
    stays = outcome.stays if others else []
    say(*outcome.left_out, *stays, f"scores: {outcome.table}")
