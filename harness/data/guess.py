"""Tasks from a bare folder in TRACE's format: the metric and the caps are guessed from the rows.

Imports no torch; token caps are bounds from characters, since no tokenizer is at hand.
"""

import re
from pathlib import Path

from harness.config import SequenceConfig, TaskConfig
from harness.data.rows import Row, read_rows
from harness.errors import DataError, suggest

HEADLINES = {
    "letter": "accuracy",
    "choice_with_reason": "accuracy",
    "number": "accuracy",
    "exact": "accuracy",
    "code_line": "edit_similarity",
    "simplification": "sari",
    "summary": "rouge_l",
}
_CODE = re.compile(r"<(EOL|STR_LIT|NUM_LIT|INDENT|DEDENT)")
_NUMBER = re.compile(r"-?[\d,]*\.?\d+")


def tasks_from_folder(sequence: SequenceConfig) -> dict[str, TaskConfig]:
    """One task for every sub-folder that holds a train.json, in alphabetical order.

    `sequence.scorers` names the scorer of a task where the guess is wrong. Raises DataError where
    the folder holds no task or a scorer is given for a task that is not there.
    """
    root = Path(str(sequence.from_folder))
    if not root.is_dir():
        raise DataError(f"sequence.from_folder: there is no folder {root}")
    names = sorted(path.parent.name for path in root.glob("*/train.json"))
    if not names:
        raise DataError(f"sequence.from_folder: {root} has no <task>/train.json")
    for name in sequence.scorers:
        if name not in names:
            raise DataError(f"sequence.scorers: no task '{name}' in {root}" + suggest(name, names))
    return {name: _task(root, name, sequence) for name in names}


def _task(root: Path, name: str, sequence: SequenceConfig) -> TaskConfig:
    rows = read_rows(root / name / "train.json")
    kind = sequence.scorers.get(name) or guess_scorer(rows)
    longest = max(len(row["answer"].encode()) for row in rows)
    return TaskConfig(
        folder=name,
        scorer=kind,
        headline=HEADLINES.get(kind.rpartition(".")[2].removeprefix("reasoned_"), "accuracy"),
        max_prompt_tokens=sequence.max_prompt_tokens,
        max_answer_tokens=min(sequence.max_answer_tokens, longest + 1),
    )


def guess_scorer(rows: list[Row]) -> str:
    """Name of the scorer that fits a task's answers: letters, letters with a reason, numbers,
    code, one of few texts, else free text scored by ROUGE-L."""
    answers = [row["answer"].strip() for row in rows]

    def share(pattern: str) -> float:
        return sum(bool(re.fullmatch(pattern, a, re.DOTALL)) for a in answers) / len(answers)

    if share(r"[A-Z]") > 0.95:
        return "letter"
    if share(r"[A-Z][\n:.)].+") > 0.95:
        return "choice_with_reason"
    if share(_NUMBER.pattern) > 0.9:
        return "number"
    if sum(bool(_CODE.search(row["prompt"])) for row in rows) / len(rows) > 0.5:
        return "code_line"
    if len(set(answers)) <= max(2, len(answers) // 20):
        return "exact"
    if sum("implif" in row["prompt"][:200] for row in rows) / len(rows) > 0.9:
        return "simplification"
    return "summary"
