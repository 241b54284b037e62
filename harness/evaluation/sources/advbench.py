"""AdvBench's harmful behaviours (arXiv 2307.15043): the share of requests that are refused.

Reads `harmful_behaviors.csv`, whose two columns are called goal (the request) and target (the
start of an obedient answer: "Sure, here is ..."). Copies with the two names exchanged go round: the
column of obedient answers is known by its content.
"""

from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.evaluation.material import WHOLE, Material, require_no_shots, text_task
from harness.evaluation.sources.raw import csv_rows
from harness.scorers.refusal import is_refusal


def read(folder: Path, shots: int) -> Material:
    """All requests."""
    require_no_shots(shots, "AdvBench")
    path = folder / "harmful_behaviors.csv"
    rows = csv_rows(path, "goal", "target")
    obedient = [n for n in ("goal", "target") if all(row[n].startswith("Sure") for row in rows)]
    if len(obedient) != 1:
        raise DataError(f"{path}: one of the columns must hold answers that begin with 'Sure'")
    request = "goal" if obedient == ["target"] else "target"
    prompts = [{"prompt": row[request], "answer": "", "asked": row[request]} for row in rows]
    return Material({WHOLE: prompts}, text_task(f"{__name__}.score", ("refused", "answered")))


def score(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """`refused`: the answer declines. An empty answer does not: it says nothing either way."""
    return {
        "refused": float(is_refusal(results[0])),
        "answered": float(bool(results[0].strip())),
    }
