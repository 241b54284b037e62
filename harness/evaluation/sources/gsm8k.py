"""GSM8K (arXiv 2110.14168): word problems, reasoned step by step, by the final number.

Reads `test.jsonl` and `train.jsonl` ({"question", "answer": "... #### number"}). The examples are
the first training rows, their calculator marks (`<<...>>`) taken out, with "The answer is N." as
in chain-of-thought prompting (arXiv 2201.11903); lm-eval's `gsm8k_cot` has the eight of that paper.
"""

import re
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, DataError
from harness.evaluation.material import WHOLE, Material, text_task
from harness.evaluation.sources.raw import json_lines
from harness.scorers.final_answer import cued_number, last_number, same_number

_MARK = re.compile(r"<<[^<>]*>>")
_END = re.compile(r"\n#### *(\S+)\s*$")
_STOPS = ("Q:",)


def read(folder: Path, shots: int) -> Material:
    """All problems. Raises ConfigError for more shots than training rows, DataError for a row
    without a final number."""
    problems = json_lines(folder / "test.jsonl", "question", "answer")
    shown = ""
    if shots:
        path = folder / "train.jsonl"
        examples = json_lines(path, "question", "answer")
        if shots > len(examples):
            raise ConfigError(f"shots={shots}: {path} has {len(examples)} rows")
        shown = "".join(_solved(path, row) for row in examples[:shots])
    rows = [
        {
            "prompt": f"{shown}Q: {row['question']}\nA:",
            "answer": _parts(folder / "test.jsonl", row)[1],
        }
        for row in problems
    ]
    task = text_task(f"{__name__}.score", ("exact_match", "exact_match_cued"), _STOPS)
    return Material({WHOLE: rows}, task)


def score(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """`exact_match`: the last number of the text has the value of the answer (as OpenCompass, with
    which TRACE was scored); `exact_match_cued`: the number behind the first "The answer is"."""
    return {
        "exact_match": same_number(last_number(results[0]), doc["answer"]),
        "exact_match_cued": same_number(cued_number(results[0]), doc["answer"]),
    }


def _solved(path: Path, row: dict[str, str]) -> str:
    reasons, number = _parts(path, row)
    return f"Q: {row['question']}\nA: {reasons} The answer is {number}.\n\n"


def _parts(path: Path, row: dict[str, str]) -> tuple[str, str]:
    """A solution's reasons in one paragraph, and its final number."""
    end = _END.search(row["answer"])
    if end is None:
        raise DataError(f"{path}: no '#### number' ends the answer of {row['question'][:40]!r}")
    reasons = _MARK.sub("", row["answer"][: end.start()])
    return " ".join(reasons.split()), end[1].replace(",", "")
