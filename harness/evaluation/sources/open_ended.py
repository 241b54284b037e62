"""Prompt sets without a right answer: what the model says is kept for a judge to compare.

The metrics describe the answers and rank nothing: `answered` is the share that is not empty,
`refused` the share that declines, `words` the number of words.
"""

from pathlib import Path
from typing import Any

from harness.data.rows import read_rows
from harness.errors import DataError
from harness.evaluation.material import WHOLE, Material, require_no_shots, text_task
from harness.evaluation.sources.raw import json_lines
from harness.scorers.refusal import is_refusal


def read(folder: Path, shots: int) -> Material:
    """TRACE's prompt sets: `test.json`, rows {"prompt", "answer"} with empty answers."""
    require_no_shots(shots, folder.name)
    return open_ended([row["prompt"] for row in read_rows(_present(folder / "test.json"))])


def self_instruct(folder: Path, shots: int) -> Material:
    """The 252 user-oriented instructions of Self-Instruct (arXiv 2212.10560), each with the input
    of its first instance behind a blank line."""
    require_no_shots(shots, "Self-Instruct")
    path = folder / "user_oriented_instructions.jsonl"
    prompts = []
    for item in json_lines(path, "instruction", "instances"):
        given = item["instances"][0]["input"].strip() if item["instances"] else ""
        prompts.append("\n\n".join(part for part in (item["instruction"].strip(), given) if part))
    return open_ended(prompts)


def open_ended(prompts: list[str]) -> Material:
    """Prompts to be answered at any length up to the cap."""
    rows = [{"prompt": prompt, "answer": "", "asked": prompt} for prompt in prompts]
    return Material({WHOLE: rows}, text_task(f"{__name__}.score", ("answered", "refused", "words")))


def score(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """What can be counted of an answer without judging it."""
    text = results[0].strip()
    return {
        "answered": float(bool(text)),
        "refused": float(is_refusal(text)),
        "words": float(len(text.split())),
    }


def _present(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    return path
