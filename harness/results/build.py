"""The tidy table from plans and nodes: rebuilt whole, never appended to; no torch here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import __version__
from harness.config.plain import plain
from harness.models.folders import ADAPTER_WEIGHTS
from harness.models.weights.headers import stored_weights
from harness.results.schema import SCHEMA_VERSION, write_scores
from harness.store.files import write_json
from harness.store.scores import DONE
from harness.store.store import MANIFEST, Store
from harness.store.work import Plan, TrainWork

Row = dict[str, Any]
SCORES = "scores.json"


def record_run(store: Store, plan: Plan) -> None:
    """Remember a run's columns and cells, so that the table can be rebuilt without its config."""
    folder = store.root / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    training = [{"stage": node.stage, "key": node.key} for node in plan.of(TrainWork)]
    cells = [plain(cell) for cell in plan.cells]
    content = {"run": plan.run, "cells": cells, "training": training}
    write_json(folder / f"{plan.run['run']}.json", content)


def rebuild_table(store: Store, path: Path) -> Path:
    """Write the table of every recorded run; cells whose node is not done have no row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for record in sorted((store.root / "runs").glob("*.json")):
        content = json.loads(record.read_text())
        for cell in content["cells"]:
            rows += _rows(store, content["run"], cell)
            rows += _judge_rows(store, content["run"], cell)
        for stage in content.get("training", []):
            rows += _cost_rows(store, content["run"], **stage)
    write_scores(rows, path)
    return path


def _rows(store: Store, run: dict[str, Any], cell: dict[str, Any]) -> Iterator[Row]:
    kind = cell.get("kind", "eval")
    folder = store.path(kind, cell["key"])
    if not (folder / MANIFEST).is_file():
        return
    model_key = store.manifest(kind, cell["key"])["model"]["key"]
    yield from score_rows(run, cell, store.read(kind, cell["key"], SCORES), model_key)


def score_rows(
    run: dict[str, Any], cell: dict[str, Any], scores: list[dict[str, Any]], model_key: str
) -> Iterator[Row]:
    """The table's rows of one cell of a run, from the scores of its node."""
    for score in scores:
        headline = (
            score["subtask"] is None
            and score["metric"] == cell["headline"]
            and score["filter"] == cell["filter"]
        )
        yield {
            **_of_run(run),
            "stage": cell["stage"],
            "trained_task": cell["trained_task"],
            "suite": cell["suite"],
            "benchmark": cell["benchmark"],
            **score,
            "headline": headline,
            "split": cell["split"],
            "shots": cell["shots"],
            "unit": score.get("unit", cell["unit"]),
            "status": DONE,
            "schema": SCHEMA_VERSION,
            "side": cell.get("side"),
            "model_key": model_key,
            "eval_key": cell["key"],
            "harness_version": __version__,
        }


def _of_run(run: dict[str, Any]) -> dict[str, Any]:
    columns = {name: run.get(name) for name in _RUN_COLUMNS}
    return {**columns, "data": run.get("data") or None, "tasks": "|".join(run["tasks"])}


COST_UNITS = {
    "optimizer_steps": "steps",
    "trained_tokens": "tokens",
    "stored_examples": "examples",
    "extra_parameters": "parameters",
    "device_hours": "hours",
    "peak_memory": "bytes",
}


def _cost_rows(store: Store, run: dict[str, Any], stage: int, key: str) -> Iterator[Row]:
    """What a training stage cost. Extra parameters: values stored beside the model, those of an
    adapter and what the strategies hand on."""
    folder = store.path("train", key)
    if not (folder / MANIFEST).is_file():
        return
    cost = store.read("train", key, "training.json").get("cost", {})
    beside = [*folder.glob("strategy_*.safetensors"), *folder.glob(ADAPTER_WEIGHTS)]
    cost = {**cost, "extra_parameters": sum(stored_weights(path) for path in beside)}
    about = {
        "stage": stage,
        "trained_task": run["tasks"][stage - 1] if run["schedule"] != "joint" else None,
        "benchmark": "training",
        "subtask": None,
        "split": "train",
        "shots": 0,
        "model_key": key,
        "eval_key": None,
    }
    for metric, unit in COST_UNITS.items():
        if metric in cost:
            yield _cost(run, about, metric, cost[metric], unit)


JUDGE_UNITS = {"prompt_tokens": "tokens", "completion_tokens": "tokens", "price": "currency"}


def _judge_rows(store: Store, run: dict[str, Any], cell: dict[str, Any]) -> Iterator[Row]:
    """What judging a benchmark cost, as its subtask; no price where none is configured."""
    if cell.get("kind") != "judge" or not (store.path("judge", cell["key"]) / MANIFEST).is_file():
        return
    details = store.read("judge", cell["key"], "details.json")
    about = {
        **{name: cell[name] for name in ("stage", "trained_task", "split", "shots")},
        "benchmark": "judge",
        "subtask": f"{cell['suite']}/{cell['benchmark']}",
        "model_key": store.manifest("judge", cell["key"])["model"]["key"],
        "eval_key": cell["key"],
    }
    for name, unit in JUDGE_UNITS.items():
        if details[name] is not None:
            yield _cost(run, about, f"judge_{name}", details[name], unit)


def _cost(run: dict[str, Any], about: Row, metric: str, value: float, unit: str) -> Row:
    return {
        **_of_run(run),
        **about,
        "suite": "cost",
        "metric": metric,
        "filter": "none",
        "value": value,
        "stderr": None,
        "n": None,
        "higher_is_better": False,
        "headline": False,
        "unit": unit,
        "status": DONE,
        "schema": SCHEMA_VERSION,
        "side": None,
        "harness_version": __version__,
    }


_RUN_COLUMNS = (
    "run",
    "group",
    "variant",
    "experiment",
    "model",
    "sequence",
    "data",
    "method",
    "seed",
    "schedule",
    "past",
    "protocol",
    "backend",
)
