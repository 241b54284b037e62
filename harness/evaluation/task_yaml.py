"""A local benchmark as an lm-eval YAML task over a JSON file."""

from pathlib import Path
from typing import Any

import yaml

from harness.data.files import read_rows
from harness.errors import DataError
from harness.files import write_atomically
from harness.methods.loading import load_object


class _Function(str):
    """A dotted path that lm-eval resolves (`!function package.module.name`)."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Function, lambda d, path: d.represent_scalar("!function", str(path)))

TASK_FILE, SCORING_FILE = "task.yaml", "scoring.py"


def write_task(folder: Path, name: str, data: Path, what: dict[str, Any]) -> None:
    """Write a local benchmark's lm-eval task into `folder`: the YAML and the scorer it calls."""
    module, _, function = what["scorer"].rpartition(".")
    scoring = (
        f"from {module} import {function}\n\n\n"
        f"def process_results(doc, results):\n    return {function}(doc, results[0])\n"
    )
    write_atomically(folder / SCORING_FILE, scoring)
    text = task_yaml(name, data, what["scorer"], what["max_answer_tokens"], what["version"])
    write_atomically(folder / TASK_FILE, text)


def task_yaml(name: str, data: Path, scorer: str, max_answer_tokens: int, version: int) -> str:
    """YAML text of the lm-eval task `name` over the rows of `data`.

    The prompt goes to the model exactly as the file has it and nothing stands between prompt and
    answer; only EOS and the cap end a generation. The text also runs under the stock command line
    (`lm_eval --include_path <its folder> --tasks <name>`).
    """
    content: dict[str, Any] = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": "answer",
        "target_delimiter": "",
        "generation_kwargs": {
            "until": [],
            "do_sample": False,
            "max_gen_toks": max_answer_tokens,
        },
        "process_results": _Function("scoring.process_results"),
        "metric_list": [
            {"metric": metric, "aggregation": "mean", "higher_is_better": True}
            for metric in _metric_names(scorer, data)
        ],
        "metadata": {"version": version},
    }
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _metric_names(scorer: str, data: Path) -> list[str]:
    function = load_object(scorer, "scorer")
    try:
        return list(function(read_rows(data)[0], ""))  # type: ignore[operator]
    except (KeyError, TypeError) as error:
        raise DataError(f"{data}: scorer {scorer} cannot read its rows ({error})") from error
