"""Likelihood of known answers: how far a model moved from what it was trained on.

Reads every `*.json` of a folder, lists of {"prompt", "answer"}; the score is the perplexity of an
answer behind its prompt, exp(-mean over rows of its log-likelihood): lower is better, no ceiling.
"""

from pathlib import Path
from typing import Any

from harness.data.rows import read_rows
from harness.errors import DataError
from harness.evaluation.material import WHOLE, Material, require_no_shots

TASK: dict[str, Any] = {
    "output_type": "loglikelihood",
    "target_delimiter": "",
    "metric_list": [
        {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False}
    ],
}


def read(folder: Path, shots: int) -> Material:
    """All rows. Raises ConfigError for shots, DataError where no file is there."""
    require_no_shots(shots, "texts")
    files = sorted(folder.glob("*.json"))
    if not files:
        raise DataError(f"{folder} holds no .json file of prompts and answers")
    rows = [
        {"prompt": row["prompt"], "answer": row["answer"]}
        for path in files
        for row in read_rows(path)
    ]
    return Material({WHOLE: rows}, TASK)
