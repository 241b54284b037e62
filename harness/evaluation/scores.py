"""lm-eval's results as score rows and predictions of a node."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from harness.config.choices import Average
from harness.errors import StageFailed
from harness.evaluation.task_yaml import subtask_name
from harness.store.scores import SCORE_UNIT, ScoreRow, combined_error, misfit, wrong_score

Prediction = dict[str, Any]  # a line of predictions.jsonl
# Metrics of lm-eval on other scales than 0..1, although a value of theirs may happen to lie there.
OTHER_SCALES = {
    *("perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte"),
    *("bleu", "chrf", "ter", "mcc", "likelihood_diff", "brier_score"),
    *("bleu_max", "bleu_diff", "rouge1_max", "rouge1_diff", "rouge2_max", "rouge2_diff"),
    *("rougeL_max", "rougeL_diff"),
}


def collect(
    results: dict[str, Any],
    benchmark: str,
    average: Average = Average.subtasks,
    floors: Mapping[str, float] | None = None,
    unit: str = SCORE_UNIT,
) -> tuple[list[ScoreRow], list[Prediction]]:
    """Score rows in `unit`, and predictions.

    floors: metric -> what a model without skill scores on the benchmark; null in other rows.

    The standard error of a task comes from its per-item values where its score is their mean, else
    it is null. One task alone is the benchmark itself (subtask null). Of several, each is a subtask
    with rows of its own, and the benchmark's rows are averaged from theirs (`average` as in
    BenchmarkConfig) whatever lm-eval's own group does: its `mmlu` weighs subjects by their size.
    """
    names = sorted(results["samples"])
    rows: list[ScoreRow] = []
    predictions: list[Prediction] = []
    for name in names:
        subtask = None if len(names) == 1 else subtask_name(name, benchmark)
        rows += _task_rows(results, name, subtask)
        predictions += [_prediction(sample, subtask) for sample in results["samples"][name]]
    if len(names) > 1:
        rows += _averages(rows, len(names), by_items=average == Average.items)
    for row in rows:
        row["floor"] = (floors or {}).get(row["metric"]) if row["subtask"] is None else None
        row["unit"] = unit
    return rows, predictions


def require_scores(rows: Sequence[ScoreRow], name: str, headline: str, filter: str) -> None:
    """Raise StageFailed, naming benchmark and value, unless every value is one of its unit and
    the headline is among them."""
    problem = wrong_score(rows)
    if problem:
        raise StageFailed(f"{name}: {problem}")
    whole = {(row["metric"], row["filter"]) for row in rows if row["subtask"] is None}
    if (headline, filter) not in whole:
        listed = ", ".join(sorted(f"{metric} ({chosen})" for metric, chosen in whole)) or "none"
        raise StageFailed(
            f"{name}: no metric {headline} of filter {filter}, its headline; metrics (filters) of "
            f"the whole benchmark: {listed}"
        )


def in_own_units(rows: Iterable[ScoreRow], headline: str | None = None) -> list[ScoreRow]:
    """Rows of lm-eval's own tasks: a metric that is no score in 0..1 has its name as its unit;
    not the headline, whose unit is told elsewhere (null = none is)."""
    listed = list(rows)
    outside = {row["metric"] for row in listed if misfit(row["value"], SCORE_UNIT)} | OTHER_SCALES
    outside.discard(headline or "")
    return [row | {"unit": row["metric"]} if row["metric"] in outside else row for row in listed]


def _task_rows(results: dict[str, Any], name: str, subtask: str | None) -> Iterator[ScoreRow]:
    samples = results["samples"][name]
    for label, value in _metrics(results["results"][name]):
        metric, _, chosen = label.partition(",")
        items = [s[metric] for s in samples if s["filter"] == chosen and metric in s]
        higher = results["higher_is_better"].get(name, {}).get(metric, True)
        yield {
            "subtask": subtask,
            "metric": metric,
            "filter": chosen,
            "value": value,
            "stderr": _standard_error(value, items),
            "n": len(items) or None,
            "higher_is_better": bool(higher),
        }


def _metrics(result: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in sorted(result.items()):
        if "," in name and "_stderr," not in name and isinstance(value, int | float):
            yield name, float(value)


def _standard_error(value: float, items: list[Any]) -> float | None:
    numbers = [float(item) for item in items if isinstance(item, int | float)]
    if not len(numbers) == len(items) > 1:
        return None
    mean = math.fsum(numbers) / len(numbers)
    if not math.isclose(mean, value, abs_tol=1e-9):
        return None
    squares = math.fsum((number - mean) ** 2 for number in numbers)
    return math.sqrt(squares / (len(numbers) - 1) / len(numbers))


def _averages(rows: list[ScoreRow], tasks: int, by_items: bool) -> Iterator[ScoreRow]:
    """The benchmark's own rows: for every metric that all subtasks have, the weighted mean of
    their scores, and its error for independent subtasks."""
    for metric, chosen in dict.fromkeys((row["metric"], row["filter"]) for row in rows):
        parts = [row for row in rows if (row["metric"], row["filter"]) == (metric, chosen)]
        sizes = [row["n"] for row in parts]
        if len(parts) < tasks or None in sizes:
            continue
        total = sum(sizes)
        weights = [size / total if by_items else 1 / tasks for size in sizes]
        yield weighted_mean(parts, weights)


def weighted_mean(parts: Sequence[ScoreRow], weights: Sequence[float]) -> ScoreRow:
    """The whole's row from its parts' rows of one metric, with the error for independent parts;
    null where a part's is. Its n is the sum of theirs."""
    sizes = [row["n"] for row in parts]
    return {
        **parts[0],
        "subtask": None,
        "value": math.fsum(w * row["value"] for w, row in zip(weights, parts, strict=True)),
        "stderr": combined_error([row["stderr"] for row in parts], weights),
        "n": None if None in sizes else sum(sizes),
    }


def _prediction(sample: dict[str, Any], subtask: str | None) -> Prediction:
    asked = sample.get("doc", {}).get("asked")
    return {
        **({} if asked is None else {"asked": asked}),
        "subtask": subtask,
        "item": sample["doc_id"],
        "filter": sample["filter"],
        "target": sample["target"],
        "prediction": sample["filtered_resps"],
        "values": {name: sample[name] for name in sample["metrics"]},
    }
