"""Names of lm-eval's built-in tasks: asked of this module in a helper process, and remembered
(reading lm-eval's index takes 10 s)."""

import json
from importlib.metadata import version
from pathlib import Path

from harness.config import HarnessConfig
from harness.errors import ConfigError, suggest
from harness.store.files import write_json
from harness.store.helper import answer, call


def check_lm_eval_tasks(config: HarnessConfig, cache: Path) -> None:
    """Raise ConfigError for a suite that names a task lm-eval does not have."""
    wanted = {
        f"suite.{suite}.benchmarks.{name}.lm_eval_task": benchmark.lm_eval_task
        for suite, group in config.suite.items()
        for name, benchmark in group.benchmarks.items()
        if benchmark.lm_eval_task is not None
    }
    if not wanted:
        return
    known = _known(cache / f"lm_eval_tasks-{version('lm_eval')}.json")
    for where, name in wanted.items():
        if name not in known:
            raise ConfigError(f"{where}: lm-eval has no task '{name}'" + suggest(name, known))


def _known(remembered: Path) -> list[str]:
    if not remembered.is_file():
        names = call("harness.evaluation.known_tasks", None, "reading lm-eval's task index")
        write_json(remembered, names)
    return json.loads(remembered.read_text())


def _all_tasks(_: None) -> list[str]:
    from lm_eval.tasks import TaskManager

    return sorted(TaskManager().all_tasks)


if __name__ == "__main__":
    answer(_all_tasks)
