"""Names of lm-eval's built-in tasks, checked in a helper process (reading their index takes 10 s).

`python -m harness.evaluation.known_tasks` prints them as a JSON list; the parent remembers it.
"""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from harness.config import HarnessConfig
from harness.errors import ConfigError, StageFailed, suggest
from harness.store.files import write_json


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
        done = subprocess.run(
            [sys.executable, "-m", "harness.evaluation.known_tasks"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            cause = (done.stderr.strip().splitlines() or ["no output"])[-1]
            raise StageFailed(f"reading lm-eval's task index failed: {cause}")
        write_json(remembered, json.loads(done.stdout.splitlines()[-1]))
    return json.loads(remembered.read_text())


if __name__ == "__main__":
    from lm_eval.tasks import TaskManager

    manager = TaskManager()
    print(json.dumps(sorted(manager.all_tasks)))
