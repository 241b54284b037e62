"""BIG-Bench Hard (arXiv 2210.09261): 27 tasks, reasoned step by step, by the final answer.

Reads `<task>.json` ({"examples": [{"input", "target"}]}) and `cot-prompts/<task>.txt` (a line of
warning, a line of dashes, the instruction, three solved examples). The score is the unweighted mean
over tasks.
"""

import re
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, DataError
from harness.evaluation.material import Material, Row, text_task
from harness.evaluation.sources.raw import json_file, named_files, text
from harness.scorers.final_answer import after_cue

CUE = "A: Let's think step by step."
_BETWEEN = "\n\nQ: "
_STOPS = ("\n\n", "\nQ:")
_OPTION = re.compile(r"\(([A-Z])\)")
_LETTER = re.compile(r"\(?([A-Z])\)?(?![A-Za-z])")


def read(folder: Path, shots: int) -> Material:
    """One part a task. Raises ConfigError for more shots than a prompt file has examples."""
    tasks = named_files(folder, ".json")
    parts = {name: _task(folder, name, path, shots) for name, path in tasks.items()}
    scored = text_task(f"{__name__}.score", ("exact_match", "exact_match_lenient"), _STOPS)
    return Material(parts, scored)


def score(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """`exact_match`: the text behind the first "the answer is", up to the line's end and without
    its full stop, is the target; of an option its letter in parentheses counts.
    `exact_match_lenient` does without the cue (the last line then), parentheses and case."""
    target = doc["answer"]
    behind = after_cue(results[0])
    lines = results[0].strip().splitlines()
    last = lines[-1].strip().removesuffix(".") if lines else ""
    return {
        "exact_match": float(behind is not None and _strict(behind, target) == target),
        "exact_match_lenient": _lenient(last if behind is None else behind, target),
    }


def _strict(found: str, target: str) -> str:
    option = _OPTION.match(found) if _OPTION.fullmatch(target) else None
    return option.group() if option else found


def _lenient(found: str, target: str) -> float:
    if _OPTION.fullmatch(target):
        letter = _LETTER.search(found)
        return float(letter is not None and f"({letter[1]})" == target)
    return float(found.strip("\"'` ").casefold() == target.casefold())


def _task(folder: Path, name: str, path: Path, shots: int) -> list[Row]:
    shown = _shown(folder / "cot-prompts" / f"{name}.txt", shots)
    content = json_file(path)
    if not isinstance(content, dict) or not isinstance(content.get("examples"), list):
        raise DataError(f"{path}: it must be an object with a list of 'examples'")
    rows = []
    for number, item in enumerate(content["examples"], 1):
        if not isinstance(item, dict) or {"input", "target"} - set(item):
            raise DataError(f"{path}: example {number} has no 'input' or no 'target'")
        prompt = f"{shown}{_BETWEEN}{item['input']}\n{CUE}\n"
        rows.append({"prompt": prompt, "answer": item["target"]})
    return rows


def _shown(path: Path, shots: int) -> str:
    """The instruction and the first `shots` solved examples of a prompt file."""
    _, found, content = text(path).partition("-----\n")
    instruction, *examples = content.strip().split(_BETWEEN)
    if not found or not examples:
        raise DataError(f"{path}: it must hold a line of dashes, an instruction and 'Q:' examples")
    if shots > len(examples):
        raise ConfigError(f"shots={shots}: {path} has {len(examples)} examples")
    return _BETWEEN.join([instruction, *examples[:shots]])
