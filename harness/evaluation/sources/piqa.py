"""PIQA (arXiv 1911.11641): which of two ways reaches a goal, by likelihood, no examples.

Reads the validation split, `valid.jsonl` ({"goal", "sol1", "sol2"}) and `valid-labels.lst` (0 or 1
a line); the labels of the test split are not public. Prompt and choices are those of lm-eval's
`piqa`; `acc_norm` divides a choice's log-likelihood by its length in bytes.
"""

from pathlib import Path

from harness.errors import DataError
from harness.evaluation.material import WHOLE, Material, choice_task, require_no_shots
from harness.evaluation.sources.raw import json_lines, text


def read(folder: Path, shots: int) -> Material:
    """All goals. Raises ConfigError for shots, DataError where goals and labels do not match."""
    require_no_shots(shots, "PIQA")
    goals = json_lines(folder / "valid.jsonl", "goal", "sol1", "sol2")
    labels = text(folder / "valid-labels.lst").split()
    if len(labels) != len(goals) or not set(labels) <= {"0", "1"}:
        raise DataError(
            f"{folder / 'valid-labels.lst'}: needs 0 or 1 for each of {len(goals)} goals"
        )
    rows = [
        {
            "prompt": f"Question: {item['goal']}\nAnswer:",
            "choices": [item["sol1"], item["sol2"]],
            "answer": int(label),
        }
        for item, label in zip(goals, labels, strict=True)
    ]
    return Material({WHOLE: rows}, choice_task(("acc", "acc_norm")))
