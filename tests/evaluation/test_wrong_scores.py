"""What is no score never becomes a node; what was stored as one is found, named and done again."""

import csv
import json
import math
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.asked import asked
from support.command import harness
from support.places import MICRO_MODEL

from harness.config.compose.compose import load
from harness.errors import ConfigError, StageFailed
from harness.evaluation.evaluator import Evaluator
from harness.evaluation.foreign import Scoring, score_items
from harness.evaluation.item_scores import checked_items
from harness.evaluation.scores import in_own_units, require_scores
from harness.store.files import file_sha256

WRONG = [
    (3.5, "gives 3.5, it must give {metric: value}"),
    (None, "gives None, it must give {metric: value}"),
    ("good", "gives 'good', it must give {metric: value}"),
    ({}, "gives {}, it must give {metric: value}"),
    ({"accuracy": 3.5}, "gives accuracy=3.5, which is outside 0..1"),
    ({"accuracy": -1}, "gives accuracy=-1, which is outside 0..1"),
    ({"accuracy": math.nan}, "gives accuracy=nan, which is not a number"),
    ({"accuracy": "1"}, "gives accuracy='1', which is not a number"),
    ({"accuracy": None}, "gives accuracy=None, which is not a number"),
    ({"f1": 1.0}, "gives f1, but accuracy for item 0; every item needs all"),
    (
        {"accuracy": 1.0, "f1": 1.0},
        "gives accuracy, f1, but accuracy for item 0; every item needs all",
    ),
]


def _task(given: list[Any], **pooled: object) -> Any:
    """A task of lm-eval's that gives these scores for its items, one after the other."""
    waiting = iter(given)
    items = [SimpleNamespace(doc_id=i) for i in range(len(given))]
    return SimpleNamespace(
        instances=items, aggregation=lambda: pooled, process_results=lambda *_: next(waiting)
    )


def _ask(task: Any, unit: str = "score") -> None:
    with checked_items({"t": task}, "copy", "mine.odd", unit):
        for item in task.instances:
            task.process_results({}, [str(item)])


@pytest.mark.parametrize(("given", "told"), WRONG)
def test_scorer_item_and_value_are_named(given: Any, told: str) -> None:
    """Item 2 of three, once per filter of the task: the number is that of the item."""
    right = [{"accuracy": 1}, {"accuracy": 0.5}, {"accuracy": False}]
    task = _task([*right, *right[:2], given])
    task.instances = task.instances[:3]
    with checked_items({"t": task}, "copy", "mine.odd", "score"):
        for _ in range(5):
            task.process_results({}, ["x"])
        with pytest.raises(StageFailed) as caught:
            task.process_results({}, ["x"])
    assert str(caught.value) == f"copy: scorer mine.odd, item 2: {told}"
    scoring = Scoring(iter([*right, given]).__next__, "mine.odd")
    scoring = scoring._replace(scorer=lambda doc, text, give=scoring.scorer: give())
    items = [{"prediction": "x", "answer": "y"}] * 4
    with pytest.raises(ConfigError) as caught:
        score_items(scoring, items, "file")
    assert str(caught.value) == f"scorer mine.odd, item 3: {told}"


def test_a_scorer_that_fails_is_named_with_its_item() -> None:
    def fails(doc: object, results: object) -> dict[str, float]:
        raise KeyError("checks")

    task = _task([{}, {}])
    task.process_results = fails
    with pytest.raises(StageFailed, match=r"copy: scorer mine\.odd fails on item 0: KeyError"):
        _ask(task)


def test_other_units_and_pooled_metrics_have_their_own_rules() -> None:
    """Log-likelihoods become a perplexity, lists of instructions a share: not by a mean."""
    _ask(_task([{"perplexity": -12.5}, {"perplexity": -math.inf}], perplexity=max), "perplexity")
    _ask(_task([{"acc": [True, False]}], acc=max))
    _ask(_task([{"points": 350.0}]), "points")
    with pytest.raises(StageFailed, match="item 0: gives points=inf, which is not finite"):
        _ask(_task([{"points": math.inf}]), "points")


def _row(metric: str, value: float, unit: str = "score", **more: object) -> dict[str, Any]:
    about = {"subtask": None, "metric": metric, "filter": "none", "value": value, "unit": unit}
    return {**about, "stderr": None, "n": 2, "higher_is_better": True, **more}


def test_a_benchmark_has_its_headline_and_values_of_their_units() -> None:
    good = [_row("acc", 0.5), _row("ppl", 12.0, "perplexity"), _row("acc", 0.4, subtask="law")]
    require_scores(good, "mmlu", "acc", "none")
    for headline, chosen in (("acc_norm", "none"), ("acc", "strict")):
        with pytest.raises(StageFailed, match=rf"mmlu: no metric {headline} of filter {chosen}"):
            require_scores(good, "mmlu", headline, chosen)
    with pytest.raises(StageFailed, match=r"mmlu: acc of law is nan, which is not a number"):
        require_scores([*good, _row("acc", math.nan, subtask="law")], "mmlu", "acc", "none")
    with pytest.raises(StageFailed, match=r"wiki: ppl is inf, which is not finite"):
        require_scores([_row("ppl", math.inf, "perplexity")], "wiki", "ppl", "none")
    # A task of lm-eval's own may have metrics beside its headline that are no scores.
    found = in_own_units([_row("acc", 0.5), _row("bleu", 0.9), _row("odd", 31.0)], "acc")
    assert [row["unit"] for row in found] == ["score", "bleu", "odd"]
    with pytest.raises(StageFailed, match=r"x: odd is 31\.0, which is outside 0\.\.1"):
        require_scores(in_own_units([_row("odd", 31.0)], "odd"), "x", "odd", "none")


def test_nothing_is_written_where_a_score_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through lm-eval itself, on real items."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "odd_scores.py").write_text(
        "def odd(doc, prediction):\n    return {'accuracy': 3.5 if prediction else 0.0}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    config = load(["code.allow=[odd_scores]"])
    task = config.task["micro_units"]
    data = Path(config.data.root) / task.folder / "test.json"
    odd = asked(config, "m", replace(task, scorer="odd_scores.odd"), data, limit=3)
    with pytest.raises(StageFailed) as caught:
        Evaluator(config, MICRO_MODEL, "cpu").score(odd, tmp_path / "node")
    told = "gives accuracy=3.5, which is outside 0..1"
    assert str(caught.value) == f"m: scorer odd_scores.odd, item 0: {told}"
    assert not (tmp_path / "node" / "scores.json").exists()


ODD = "def odd(doc, prediction):\n    return {'accuracy': 3.5 if prediction else 0.0}\n"
MENDED = "def odd(doc, prediction):\n    return {'accuracy': float(prediction == doc['answer'])}\n"


def _cells(results: Path) -> dict[tuple[str, int, str], str]:
    """(run, stage, benchmark) -> headline score of the table."""
    with (results / "scores.csv").open() as stream:
        return {
            (row["run"], int(row["stage"]), row["benchmark"]): row["value"]
            for row in csv.DictReader(stream)
            if row["headline"] == "True"
        }


@pytest.mark.distributed
def test_a_mended_scorer_completes_the_run(tiny_run: list[str], tmp_path: Path) -> None:
    command = [*tiny_run, "train.max_steps=1", "eval.limit=4", "eval.suite_stages=ends"]
    command += ["task.copy.scorer=mine.odd", "code.allow=[mine]"]
    (tmp_path / "mine.py").write_text(ODD)
    failed = harness(*command, cwd=tmp_path)
    assert failed.returncode == 1
    told = "copy: scorer mine.odd, item 0: gives accuracy=3.5, which is outside 0..1"
    errors = [line for line in failed.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert told in errors[0]
    assert "Traceback" not in failed.stderr
    manifests = list((tmp_path / "store" / "eval").glob("*/manifest.json"))
    assert all(json.loads(path.read_text())["label"] != "score copy" for path in manifests)
    (tmp_path / "mine.py").write_text(MENDED)
    done = harness(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    # Other code is another run. That which failed has what does not hang on the code, some of it
    # made by the run after it, and says that one cell has no score.
    cells = defaultdict[str, dict[tuple[int, str], str]](dict)
    for (run, stage, benchmark), value in _cells(tmp_path / "results").items():
        cells[run][stage, benchmark] = value
    broken, whole = sorted(cells.values(), key=len)
    assert set(whole) == {(0, "copy"), (1, "copy"), (2, "copy"), (0, "count"), (2, "count")}
    assert "" not in whole.values()
    shared = {cell: value for cell, value in whole.items() if cell[1] == "count"}
    assert broken == {**shared, (0, "copy"): ""}
    (tmp_path / "mine.py").write_text(ODD.replace(" if prediction else 0.0", ""))
    line = harness("plan", *command, cwd=tmp_path).stderr
    assert "task.copy.scorer: mine.odd, on an empty prediction, gives accuracy=3.5" in line


def _spoil(node: Path, value: float) -> None:
    """A score as an earlier version stored it: whatever the scorer gave, no unit beside it."""
    rows = json.loads((node / "scores.json").read_text())
    for row in rows:
        row.pop("unit")
        row["value"] = value
    (node / "scores.json").write_text(json.dumps(rows))
    manifest = json.loads((node / "manifest.json").read_text())
    manifest["files"]["scores.json"] = file_sha256(node / "scores.json")
    (node / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.distributed
def test_what_was_stored_wrong_is_named_and_done_again(tiny_run: list[str], tmp_path: Path) -> None:
    common = [*tiny_run, "train.max_steps=1", "eval.limit=4"]
    first, second = ([*common, f"seed={seed}"] for seed in (0, 1))
    for command in (first, second):
        done = harness(*command)
        assert done.returncode == 0, done.stderr
    results, store = tmp_path / "results", tmp_path / "store"
    before = _cells(results)
    manifests = [json.loads(path.read_text()) for path in store.glob("eval/*/manifest.json")]
    (spoiled,) = [
        about
        for about in manifests
        if (about["config"]["seed"], about["stage"], about["label"]) == (0, 2, "score count")
    ]
    node = store / "eval" / spoiled["key"]
    _spoil(node, 3.5)
    # The other run's table is there, and says what it lacks.
    other = harness(*second)
    assert other.returncode == 0, other.stderr
    named = [line for line in other.stdout.splitlines() if spoiled["key"] in line]
    assert len(named) == 1
    for part in ("count at stage 2", "seed 0", "accuracy is 3.5, which is outside 0..1", "again"):
        assert part in named[0]
    left = _cells(results)
    (lost,) = set(before) - set(left)
    assert lost[1:] == (2, "count")
    assert all(before[cell] == value for cell, value in left.items())
    planned = harness("plan", *first)
    assert "7 nodes, 6 done" in planned.stdout
    assert spoiled["key"] in planned.stdout
    again = harness(*first)
    assert again.returncode == 0, again.stderr
    assert "trained 0 stages, scored 1 cells" in again.stdout
    assert "accuracy is 3.5" in again.stdout
    assert _cells(results) == before
