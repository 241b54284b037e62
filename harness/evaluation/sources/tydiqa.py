"""TyDi QA, gold passage (arXiv 2003.05002): answers found in a passage, nine languages, by F1.

Reads `<language>_tydiqa_dev.json` in SQuAD's format. No training split belongs to these files: the
one example that shots=1 shows is the language's first question, which is then not scored. One
English frame (Context, Question, Answer) stands around every language. The score is the unweighted
mean over languages; the publisher's set has no Japanese and no Thai, which TRACE counts besides.
"""

from pathlib import Path
from typing import Any

from harness.errors import ConfigError, DataError
from harness.evaluation.material import Material, Row, text_task
from harness.evaluation.sources.raw import json_file, named_files
from harness.scorers.token_f1 import normalised, token_f1

_STOPS = ("\n",)


def read(folder: Path, shots: int) -> Material:
    """One part a language. Raises ConfigError for more than one shot."""
    if shots > 1:
        raise ConfigError(f"shots={shots}: TyDi QA shows 0 or 1 question of its only split")
    languages = named_files(folder, "_tydiqa_dev.json")
    parts = {name: _language(path, shots) for name, path in languages.items()}
    return Material(parts, text_task(f"{__name__}.score", ("f1", "exact_match"), _STOPS))


def score(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """The best F1 and the best exact match over the accepted answers."""
    text = results[0]
    matches = (normalised(text) == normalised(answer) for answer in doc["answers"])
    return {
        "f1": max(token_f1(text, answer) for answer in doc["answers"]),
        "exact_match": float(any(matches)),
    }


def _language(path: Path, shots: int) -> list[Row]:
    questions = _questions(path)
    shown = "".join(f"{_asked(item)} {item['answers'][0]}\n\n" for item in questions[:shots])
    return [
        {"prompt": shown + _asked(item), "answer": item["answers"][0], "answers": item["answers"]}
        for item in questions[shots:]
    ]


def _asked(item: dict[str, Any]) -> str:
    return f"Context: {item['context']}\n\nQuestion: {item['question']}\n\nAnswer:"


def _questions(path: Path) -> list[dict[str, Any]]:
    try:
        return [
            {
                "context": paragraph["context"],
                "question": asked["question"],
                "answers": [answer["text"] for answer in asked["answers"]],
            }
            for article in json_file(path)["data"]
            for paragraph in article["paragraphs"]
            for asked in paragraph["qas"]
        ]
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: not SQuAD's format ({type(error).__name__}: {error})") from None
