"""Strict scores equal TRACE's, recomputed here from the public packages that TRACE calls.

Nothing below uses the package's own metrics: ROUGE-L is `rouge` 1.0.1, BLEU is nltk, the edit
ratio is difflib, SARI follows the paper with exact fractions. Predictions are adversarial; the
rows are those of the micro tasks, and the real ones where HARNESS_TEST_DATA has them.
"""

import difflib
import json
import random
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from nltk.translate.bleu_score import sentence_bleu
from omegaconf import OmegaConf
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from support.places import DATA, REPOSITORY, needs_data

from harness.config.parts import Kind, load_part

rouge = pytest.importorskip("rouge", reason="the package that TRACE scores with")

MICRO = REPOSITORY / "harness" / "data" / "micro" / "data"
ACCURACY, OVERLAP = 1e-9, 1e-6


@pytest.fixture(autouse=True)
def deep_recursion() -> Iterator[None]:
    """`rouge` walks back by recursion; with room for it, it scores a thousand equal words too."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(before)


# --- TRACE's scores, from public packages -------------------------------------------------------


def accuracy(prediction: str, answer: str) -> float:
    return float(bool(prediction) and bool(answer) and prediction == answer)


def rouge_l(prediction: str, answer: str) -> float:
    if not prediction or not answer:
        return 0.0
    try:
        found = rouge.Rouge(metrics=["rouge-l"]).get_scores(answer, prediction, avg=True)
    except ValueError:  # no sentence at all, only periods: TRACE dies here, the score is 0
        return 0.0
    return found["rouge-l"]["f"]


def sentence_score(prediction: str, answer: str, weights: tuple[float, ...]) -> float:
    if not prediction or not answer:
        return 0.0
    words = [[w for w in re.split(r"\s|\.", text) if w] for text in (answer, prediction)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sentence_bleu([words[0]], words[1], weights)


def overlap(prediction: str, answer: str) -> dict[str, float]:
    return {
        "rouge_l": rouge_l(prediction, answer),
        "bleu_1": sentence_score(prediction, answer, (1.0,)),
        "bleu_4": sentence_score(prediction, answer, (0.25, 0.25, 0.25, 0.25)),
    }


def sari(source: str, prediction: str, *answers: str) -> float:
    def grams(text: str, order: int) -> Counter:
        words = Tokenizer13a()(text.lower()).split(" ")
        return Counter(tuple(words[i : i + order]) for i in range(len(words) - order + 1))

    def mean(shares: list[Fraction]) -> Fraction:
        return sum(shares, Fraction(0)) / len(shares) if shares else Fraction(1)

    def f1(p: Fraction, r: Fraction) -> Fraction:
        return 2 * p * r / (p + r) if p + r else Fraction(0)

    total = Fraction(0)
    for order in (1, 2, 3, 4):
        s, p = (
            Counter({g: count * len(answers) for g, count in grams(text, order).items()})
            for text in (source, prediction)
        )
        r = sum((grams(text, order) for text in answers), Counter())
        kept = {g: min(s[g], p[g]) for g in s if p[g]}
        keepable = sum(min(s[g], r[g]) for g in s)
        right = sum(min(count, r[g]) for g, count in kept.items())
        keep_precision = mean([Fraction(min(c, r[g]), c) for g, c in kept.items()])
        keep_recall = Fraction(right, keepable) if keepable else Fraction(1)
        deleted = {g: s[g] - p[g] for g in s if s[g] > p[g]}
        delete = mean([Fraction(max(c - r[g], 0), c) for g, c in deleted.items()])
        added, addable = set(p) - set(s), set(r) - set(s)
        add_precision = Fraction(len(added & addable), len(added)) if added else Fraction(1)
        add_recall = Fraction(len(added & addable), len(addable)) if addable else Fraction(1)
        total += f1(keep_precision, keep_recall) + delete + f1(add_precision, add_recall)
    return float(total / 12)


def edit_ratio(prediction: str, answer: str) -> float:
    def restored(code: str) -> str:
        for marker, text in (("<NUM_LIT>", "0"), ("<STR_LIT>", ""), ("<CHAR_LIT>", "")):
            code = text.join(code.split(marker))
        for kind, value in re.findall(r"(?s)<(STR|NUM|CHAR)_LIT:(.*?)>", code):
            code = value.join(code.split(f"<{kind}_LIT:{value}>"))
        return code

    left, right = restored(prediction), restored(answer)
    if not left or not right:
        return 0.0
    return round(100 * difflib.SequenceMatcher(None, left, right).ratio()) / 100


def exact_task(row: dict, prediction: str) -> dict[str, float]:
    return {"accuracy": accuracy(prediction, row["answer"])}


def science(row: dict, prediction: str) -> dict[str, float]:
    answer = row["answer"]
    return {
        "accuracy": accuracy(prediction[:1], answer[:1]),
        **overlap(prediction[2:], answer[2:]),
    }


def meeting(row: dict, prediction: str) -> dict[str, float]:
    return overlap(prediction, row["answer"])


def code(row: dict, prediction: str) -> dict[str, float]:
    return {"edit_similarity": edit_ratio(prediction, row["answer"])}


def simple(row: dict, prediction: str) -> dict[str, float]:
    answer = row["answer"]
    return {"sari": sari(row["prompt"], prediction, answer), **overlap(prediction, answer)}


TRUTH: dict[str, Callable[[dict, str], dict[str, float]]] = {
    "C-STANCE": exact_task,
    "FOMC": exact_task,
    "MeetingBank": meeting,
    "Py150": code,
    "ScienceQA": science,
    "NumGLUE-cm": exact_task,
    "NumGLUE-ds": exact_task,
    "20Minuten": simple,
    "micro_stance": exact_task,
    "micro_policy": exact_task,
    "micro_meeting": meeting,
    "micro_code": code,
    "micro_science": science,
    "micro_sums": exact_task,
    "micro_units": exact_task,
    "micro_simple": simple,
}
STRANGE = (
    *("", ".", "...", " ", "\n", ".\n", " . ", "\t\n .", "a", "a b c", "<EOL>", "🙂 … \u00a0ß."),
    *("word " * 1000, "die " * 500 + ". " + "der " * 500, "<NUM_LIT:5>" * 50),
    *("<STR_LIT:<NUM_LIT:5>> <NUM_LIT:5>", "<STR_LIT>", "x<CHAR_LIT:\n>y", "Answer: B"),
)


def predictions(answer: str, prompt: str, others: list[str], draw: random.Random) -> list[str]:
    words = answer.split(" ")
    shuffled = draw.sample(words, len(words))
    return [
        *(answer, answer + " ", " " + answer, answer + "\nBecause.", answer[: len(answer) // 2]),
        *(answer[1:], answer.upper(), answer * 3, " ".join(shuffled), " ".join(words[::2])),
        *(answer.replace(".", " ."), answer.replace(" ", "  "), prompt[-400:]),
        *others,
    ]


def check(task: str, rows: list[dict], others: list[str]) -> None:
    [what] = OmegaConf.load(REPOSITORY / "conf" / "task" / f"{task}.yaml").values()
    scorer = load_part(what.scorer, "scorer", Kind.scorer)
    draw = random.Random(task)
    for place, row in enumerate(rows):
        tried = predictions(row["answer"], row["prompt"], others, draw)
        for prediction in (*tried, *STRANGE) if place < 2 else tried:
            found = scorer(row, prediction)
            for name, expected in TRUTH[task](row, prediction).items():
                bound = ACCURACY if name in ("accuracy", "edit_similarity") else OVERLAP
                told = f"{task} {name}: {prediction[:80]!r} for {row['answer'][:80]!r}"
                assert found[name] == pytest.approx(expected, abs=bound, rel=0), told
            assert all(0.0 <= value <= 1.0 for value in found.values())
            for name in ("accuracy", "exact_match"):
                assert found.get(f"{name}_lenient", 1.0) >= found.get(name, 0.0)


def read(root: Path, task: str) -> list[dict]:
    return json.loads((root / task / "test.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("task", [name for name in TRUTH if name.startswith("micro")])
def test_scores_of_micro_tasks(task: str) -> None:
    others = [read(MICRO, name)[0]["answer"] for name in TRUTH if name.startswith("micro")]
    check(task, read(MICRO, task)[:8], others)


@needs_data("trace-500")
@pytest.mark.parametrize("task", [name for name in TRUTH if not name.startswith("micro")])
def test_scores_of_the_eight_tasks(task: str) -> None:
    root = DATA / "trace-500"
    others = [read(root, name)[1]["answer"] for name in TRUTH if not name.startswith("micro")]
    check(task, read(root, task)[::12], others)


def test_the_sari_of_this_file_gives_the_published_example() -> None:
    value = sari(
        "About 95 species are currently accepted .",
        "About 95 you now get in .",
        "About 95 species are currently known .",
        "About 95 species are now accepted .",
        "95 species are now accepted .",
    )
    assert 100 * value == pytest.approx(26.953601953601954, abs=1e-12)


CUES = {
    "C-STANCE": "回答\uff1a",
    "MeetingBank": "Therefore, the summary of the meeting transcripts is:\n",
    "Py150": "\nReasoning:",
}


@needs_data("trace-reasoning")
@pytest.mark.parametrize("task", [name for name in TRUTH if not name.startswith("micro")])
def test_reasoned_training_answers_score_as_their_answer(task: str) -> None:
    """Every training answer of the reasoning data, whose cue is where its scorer looks for it."""
    [what] = OmegaConf.load(REPOSITORY / "conf/task/reasoning" / f"{task}.yaml").values()
    scorer = load_part(what.scorer, "scorer", Kind.scorer)
    path = DATA / "trace-reasoning" / task / "train.json"
    for row in json.loads(path.read_text(encoding="utf-8"))[::5]:
        parts = row["answer"].split(CUES.get(task, "Answer:"))
        assert len(parts) == 2
        gold = {"prompt": "p", "answer": parts[0 if task == "Py150" else 1]}
        for metric, value in scorer(gold, row["answer"]).items():
            if metric != "bleu_4" and not metric.startswith("sari"):
                assert value == pytest.approx(1.0, abs=1e-6), (metric, row["answer"])
