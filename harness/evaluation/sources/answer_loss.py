"""The loss of known answers, of data in TRACE's format: what training made small, read off a model.

Reads a folder's `test.json`; the score of an item is the negative log-likelihood of its answer
behind its prompt, in nats, summed over the answer's tokens: lower is better, no ceiling.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.data.rows import read_rows
from harness.errors import DataError
from harness.evaluation.material import WHOLE, Function, Material, require_no_shots

TASK: dict[str, Any] = {
    "output_type": "loglikelihood",
    "target_delimiter": "",
    "process_results": Function(f"{__name__}.score"),
    "metric_list": [{"metric": "loss", "aggregation": "mean", "higher_is_better": False}],
}


def read(folder: Path, shots: int) -> Material:
    """All rows. Raises ConfigError for shots, DataError where the file is not there."""
    require_no_shots(shots, "known answers")
    file = folder / "test.json"
    if not file.is_file():
        raise DataError(f"{folder} holds no test.json of prompts and answers")
    rows = read_rows(file)
    return Material(
        {WHOLE: [{"prompt": row["prompt"], "answer": row["answer"]} for row in rows]}, TASK
    )


def score(doc: dict[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    """Of lm-eval's (log-likelihood, is it the greedy answer) of the one answer, its loss."""
    [(likelihood, _)] = results
    return {"loss": -likelihood}
