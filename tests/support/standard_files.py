"""Made-up rows in the formats of the publishers whose tasks the standard sequences take."""

import csv
import json
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from harness.data.standard.recipes import Recipe, Source, recipes
from support.command import harness
from support.raw_files import write_lines, write_text

LONG = [
    "mnli", "cb", "wic", "copa", "qqp", "boolqa", "rte", "imdb", "yelp", "amazon", "sst-2",
    "dbpedia", "agnews", "multirc", "yahoo",
]  # fmt: skip
NLI = {"premise": "it rains {n}", "hypothesis": "it is wet {n}"}
# Fields of a row, {n} its number, {word} the word of its label; the label is put in by `_rows`.
FIELDS: dict[str, dict[str, str]] = {
    "agnews": {"title": 'A "{word}" day, {n}', "text": "news {n}\\nof {word}"},
    "amazon": {"title": "item {n}", "text": "it was {word}"},
    "yelp": {"text": "meal {n}\\nwas {word}"},
    "dbpedia": {"title": "thing {n}", "text": "a {word}"},
    "yahoo": {"question": "what {n}", "text": "", "best": "about {word}"},
    "imdb": {"text": "film {n} <br />was {word}"},
    "sst-2": {"sentence": "a {word} film {n}"},
    "mnli": {"sentence1": "it rains {n}", "sentence2": '"wet {word}'},
    "qqp": {"id": "{n}", "question1": "why {n}?", "question2": "why {word} {n}?"},
    "rte": {"sentence1": "it rains {n}", "sentence2": "it is {word}"},
    "cb": NLI,
    "wic": {"word": "bank", "sentence1": "a bank {n}", "sentence2": "the bank {word}"},
    "copa": {"premise": "it fell {n}", "choice1": "a", "choice2": "b", "question": "cause"},
    "boolqa": {"question": "is it {word}", "passage": "it may be {n}"},
    "law": {
        "citing_prompt": "see <HOLDING> {n}",
        **{f"holding_{i}": f"held {i}" for i in range(5)},
    },
}
LABEL = {"mnli": "gold_label", "qqp": "is_duplicate"}


def write_standard(root: Path, tasks: list[str], sizes: tuple[int, int] = (40, 20)) -> Path:
    """The first edition of these tasks' files, so many rows in train and in test."""
    for name in tasks:
        recipe = recipes()[name]
        for (part, source), size in zip(recipe.editions[0].items(), sizes, strict=False):
            _write(root / source.file, recipe, source, size, part)
    return root


def prepared(place: Path, tasks: list[str], train: int) -> Path:
    """The folder that `data standard` draws from such files: so many training rows of each task,
    and a test row of each class."""
    out = place / "standard"
    words = ["--from", str(write_standard(place / "from", tasks)), "--out", str(out)]
    words += ["--allow-other", "--train", str(train), "--per-class", "1"]
    done = harness("data", "standard", *words)
    assert done.returncode == 0, done.stderr
    return out


def _write(path: Path, recipe: Recipe, source: Source, size: int, part: str) -> None:
    if recipe.name.startswith("task"):
        size += 220  # 100 to score, 100 to choose on
        told = [{"input": f"in {n}", "output": [f"out {n}", "no"]} for n in range(size)]
        write_text(path, json.dumps({"Definition": ["Answer."], "Instances": told}))
    elif recipe.name == "math":
        train = [{"query": f"{n}+1?", "response": f"The answer is: {n + 1}"} for n in range(size)]
        test = [{"question": f"{n}+2?", "answer": f"so\n#### {n + 2}"} for n in range(size)]
        write_text(path, json.dumps(train)) if part == "train" else write_lines(path, test)
    elif recipe.name == "code":
        train = [{"instruction": f"Say {n}", "response": f"print({n})"} for n in range(size)]
        write_lines(path, train if part == "train" else [_problem(n) for n in range(size)])
    elif recipe.name == "multirc":
        write_lines(path, (_passage(n) for n in range(size // 2)))
    elif source.format == "folders":
        for n, row in enumerate(_rows(recipe, source, size)):
            write_text(path / row["label"] / f"{n}_7.txt", row["text"])
    elif source.format == "jsonl":
        write_lines(path, (_typed(row) for row in _rows(recipe, source, size)))
    else:
        _write_table(path, source, list(_rows(recipe, source, size)))


def _rows(recipe: Recipe, source: Source, size: int) -> Iterator[dict[str, str]]:
    labels = source.labels.items()
    for n, (label, word) in enumerate(islice(cycle(labels), size)):
        made = {k: text.format(n=n, word=word) for k, text in FIELDS[recipe.name].items()}
        yield made | {LABEL.get(recipe.name, "label"): label}


def _typed(row: dict[str, str]) -> dict[str, Any]:
    """Labels as SuperGLUE has them: numbers and truth values."""
    words = {"True": True, "False": False, "0": 0, "1": 1}
    return row | {"label": words.get(row["label"], row["label"])}


def _write_table(path: Path, source: Source, rows: list[dict[str, str]]) -> None:
    names = list(source.columns or rows[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        if source.format == "tsv":
            stream.writelines("\t".join(row) + "\n" for row in (names, *map(dict.values, rows)))
            return
        writer = csv.DictWriter(stream, names, quoting=csv.QUOTE_ALL)
        if not source.columns:
            writer.writeheader()
        writer.writerows(rows)


def _passage(n: int) -> dict[str, Any]:
    answers = [{"text": f"it is {n}", "label": 1}, {"text": "no", "label": 0}]
    return {"passage": {"text": f"text {n}", "questions": [{"question": "?", "answers": answers}]}}


def _problem(n: int) -> dict[str, str]:
    return {
        "task_id": f"HumanEval/{n}",
        "prompt": f'def add{n}(x):\n    """x plus {n}"""\n',
        "entry_point": f"add{n}",
        "canonical_solution": f"    return x + {n}\n",
        "test": f"def check(candidate):\n    assert candidate(1) == {n + 1}\n",
    }
