"""MMLU (arXiv 2009.03300): multiple choice in 57 subjects, by likelihood of the letter.

Reads `test/<subject>_test.csv` and `dev/<subject>_dev.csv` with the header question, choice0 to
choice3, answer (0-3). The examples are the first dev rows of the subject. Instruction, prompt and
choices are those of lm-eval's `mmlu`; the score is the unweighted mean over subjects.
"""

from pathlib import Path

from harness.errors import ConfigError, DataError
from harness.evaluation.material import Material, Row, choice_task
from harness.evaluation.sources.raw import csv_rows, named_files

LETTERS = ["A", "B", "C", "D"]
_COLUMNS = ("question", "choice0", "choice1", "choice2", "choice3", "answer")


def read(folder: Path, shots: int) -> Material:
    """One part a subject. Raises ConfigError for more shots than dev rows."""
    tests = named_files(folder / "test", "_test.csv")
    parts = {name: _subject(folder, name, path, shots) for name, path in tests.items()}
    return Material(parts, choice_task())


def _subject(folder: Path, name: str, path: Path, shots: int) -> list[Row]:
    shown = f"The following are multiple choice questions (with answers) about {_title(name)}.\n\n"
    if shots:
        source = folder / "dev" / f"{name}_dev.csv"
        examples = csv_rows(source, *_COLUMNS)
        if shots > len(examples):
            raise ConfigError(f"shots={shots}: {source} has {len(examples)} rows")
        for row in examples[:shots]:
            shown += f"{_question(row)} {LETTERS[_answer(source, row)]}\n\n"
    return [
        {"prompt": shown + _question(row), "choices": LETTERS, "answer": _answer(path, row)}
        for row in csv_rows(path, *_COLUMNS)
    ]


def _title(subject: str) -> str:
    return subject.replace("_", " ")


def _question(row: dict[str, str]) -> str:
    choices = [f"{letter}. {row[f'choice{i}']}" for i, letter in enumerate(LETTERS)]
    return "\n".join([row["question"].strip(), *choices, "Answer:"])


def _answer(path: Path, row: dict[str, str]) -> int:
    if row["answer"] not in ("0", "1", "2", "3"):
        raise DataError(f"{path}: answer {row['answer']!r} is not 0, 1, 2 or 3")
    return int(row["answer"])
