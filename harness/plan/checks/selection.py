"""May scores on a task's eval split choose something?"""

from harness.config import HarnessConfig
from harness.data.overlap import selects_on_test
from harness.data.rows import read_rows, split_path
from harness.errors import ConfigError


def check_validation(config: HarnessConfig, name: str, where: str) -> None:
    """Scores on eval are there to choose by; on test prompts they would choose on test."""
    evaluation = split_path(config.data.root, config.task[name].folder, "eval")
    rows = read_rows(evaluation)
    test = evaluation.with_name("test.json")
    if config.eval.allow_eval_equals_test or not test.is_file():
        return
    if selects_on_test(rows, read_rows(test)):
        raise ConfigError(
            f"{where}: every eval prompt of task '{name}' is in its test.json, so what is "
            "chosen on it is chosen on test; give it an eval.json of its own, or set "
            "eval.allow_eval_equals_test=true"
        )
