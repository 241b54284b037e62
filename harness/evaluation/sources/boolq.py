"""BoolQ (arXiv 1905.10044): yes or no about a passage, by likelihood, no examples.

Reads `test.json`, a list of {"label": "True" or "False", "sentence"}, where the sentence is two
lines, "question: ..." and "passage: ...". Prompt and choices are those of lm-eval's `boolq`.
"""

import re
from pathlib import Path

from harness.errors import DataError
from harness.evaluation.material import WHOLE, Material, Row, choice_task, require_no_shots
from harness.evaluation.sources.raw import json_file

_SENTENCE = re.compile(r"question: (.*?)\npassage: (.*)", re.DOTALL)


def read(folder: Path, shots: int) -> Material:
    """All questions. Raises ConfigError for shots, DataError for a file of another form."""
    require_no_shots(shots, "BoolQ")
    path = folder / "test.json"
    entries = enumerate(json_file(path, "label", "sentence"), 1)
    rows = [_row(path, number, entry) for number, entry in entries]
    return Material({WHOLE: rows}, choice_task())


def _row(path: Path, number: int, entry: dict[str, str]) -> Row:
    found = _SENTENCE.fullmatch(entry["sentence"])
    if found is None or entry["label"] not in ("True", "False"):
        raise DataError(f"{path}: entry {number} is not a question, a passage and True or False")
    question, passage = found.groups()
    return {
        "prompt": f"{passage}\nQuestion: {question}?\nAnswer:",
        "choices": ["no", "yes"],
        "answer": int(entry["label"] == "True"),
    }
