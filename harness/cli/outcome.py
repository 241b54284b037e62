"""What a run prints when it is over."""

import sys
from typing import Any

from harness.config import HarnessConfig
from harness.results.report.terminal import main_table_markdown, matrix_markdown


def show_notes(config: HarnessConfig) -> None:
    """Print, before a run, whose code it will run, and what was guessed about the tasks of
    `sequence.from_folder`."""
    if config.model.trust_remote_code:
        print(
            f"warning: model.trust_remote_code=true runs the code that {config.model.path} ships"
            + (f" at {config.model.revision}" if config.model.revision else ""),
            file=sys.stderr,
        )
    if config.sequence.from_folder is None:
        return
    for name, task in config.task.items():
        source = "given" if name in config.sequence.scorers else "guessed"
        print(f"{name}: {task.scorer} ({source}; +sequence.scorers.{name}=... overrides)")


def show_outcome(outcome: Any, others: bool = True) -> None:
    """Print what was done, the run's main table, its score matrix and where everything is; others:
    and which other runs have weights stay."""
    run = outcome.plan.run["run"]
    minutes, seconds = divmod(round(outcome.seconds), 60)
    found = f" ({outcome.found} more were in the store)" if outcome.found else ""
    print(
        f"trained {outcome.trained} stages, scored {outcome.scored} cells "
        f"in {minutes}:{seconds:02d}{found}\n"
    )
    for task, shares in outcome.cut.items():
        if any(shares.values()):
            told = f"{shares['prompt']:.1%} of its prompts, {shares['answer']:.1%} of its answers"
            print(f"cut to fit while training {task}: {told}")
    mine = outcome.scores
    print(main_table_markdown(mine))
    print(matrix_markdown(mine, run))
    stays = outcome.stays if others else []
    print(*outcome.left_out, *stays, f"scores: {outcome.table}", sep="\n")
