"""A store and a table of scores as runs on TRACE's eight tasks would leave them, without a model:
texts as long as those of the tasks, of words that compress about as well as a language's."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

from harness.results.schema import write_scores
from harness.store.files import file_sha256


@dataclass(frozen=True)
class Kind:
    """A task: characters of its prompts and of its answers, about."""

    name: str
    prompt: int
    answer: int
    metric: str = "accuracy"


TASKS = (
    Kind("C-STANCE", 280, 1),
    Kind("FOMC", 320, 1),
    Kind("MeetingBank", 8000, 420, "rouge_l"),
    Kind("Py150", 1600, 60, "edit_similarity"),
    Kind("ScienceQA", 420, 300),
    Kind("NumGLUE-cm", 220, 3),
    Kind("NumGLUE-ds", 240, 3),
    Kind("20Minuten", 2600, 620, "sari"),
)
STEPS = 60


class Fabricated:
    """A folder with `store/` and `scores.csv`: `runs` runs of `items` items a task."""

    def __init__(self, root: Path, runs: int, items: int, tasks: tuple[Kind, ...] = TASKS) -> None:
        self.store, self.scores = root / "store", root / "scores.csv"
        self.data = root / "data"
        self.items, self.tasks = items, tasks
        self.random = random.Random(0)
        letters = "etaoinshrdlucmfwypvbgkjqxz"
        lengths = (self.random.randint(2, 10) for _ in range(20_000))
        self.words = ["".join(self.random.choices(letters, k=n)) for n in lengths]
        # Zipf's law: the word of rank r is as frequent as 1 / r.
        self.weights = [1 / rank for rank in range(1, len(self.words) + 1)]
        self.hashes: dict[str, str] = {}
        self.targets = {kind.name: self._data(kind) for kind in tasks}
        rows = [row for number in range(runs) for row in self._run(number)]
        write_scores(rows, self.scores)

    def text(self, length: int) -> str:
        """Words, about so many characters of them."""
        count = max(1, round(length / 6))
        told = " ".join(self.random.choices(self.words, self.weights, k=count))
        return told[:length] if length < 6 else told

    def _data(self, kind: Kind) -> list[str]:
        """Write a task's test split; returns its references."""
        rows = [
            {"prompt": self.text(kind.prompt), "answer": self.text(kind.answer)}
            for _ in range(self.items)
        ]
        path = self.data / kind.name / "test.json"
        _write(path, rows)
        self.hashes[kind.name] = file_sha256(path)
        return [row["answer"] for row in rows]

    def _run(self, number: int) -> list[dict[str, object]]:
        """Write a run's record and nodes; returns its rows of the table."""
        names = [kind.name for kind in self.tasks]
        about = {
            **{"run": f"run{number:017d}", "group": f"group{number}", "experiment": "fabricated"},
            **{"model": "fabricated", "sequence": "trace", "data": "fabricated", "seed": 0},
            **{"method": f"method_{number}", "schedule": "sequential", "past": "all"},
            **{"protocol": "default", "backend": "hf", "settings": {}},
        }
        cells, training, rows = [], [], []
        for stage in range(len(names) + 1):
            if stage:
                training.append({"stage": stage, "key": self._stage(number, stage)})
            for at, kind in enumerate(self.tasks):
                if stage and at >= stage:
                    continue
                key = f"eval{number:03d}{stage:02d}{at:02d}".ljust(20, "0")
                value = self._node(key, kind, stage)
                place = {"benchmark": kind.name, "split": "test", "shots": 0, "stage": stage}
                place |= {"trained_task": names[stage - 1] if stage else None, "side": None}
                cell = {"filter": "none", "headline": kind.metric, "key": key, "kind": "eval"}
                cells.append({**place, **cell, "suite": "target", "unit": "score"})
                score = {"metric": kind.metric, "filter": "none", "headline": True, "value": value}
                score |= {"stderr": 0.02, "n": self.items, "unit": "score", "status": "done"}
                score |= {"higher_is_better": True, "schema": 2, "model_key": "m", "eval_key": key}
                score |= {"harness_version": "0", "suite": "target", "tasks": "|".join(names)}
                rows.append({**about, **place, **score})
        record = {"run": {**about, "tasks": names}, "cells": cells, "training": training}
        _write(self.store / "runs" / f"{about['run']}.json", record)
        return rows

    def _stage(self, number: int, stage: int) -> str:
        """Write the log of a stage; returns its key."""
        key = f"train{number:03d}{stage:02d}".ljust(20, "0")
        steps = [
            {"step": n + 1, "loss": 3 / (1 + n) + self.random.random(), "grad_norm": 1 + n % 7}
            for n in range(STEPS)
        ]
        cost = {"optimizer_steps": STEPS, "trained_tokens": 9000, "peak_memory": 10**9}
        log = {"task": self.tasks[stage - 1].name, "steps": steps, "notices": []}
        _write(self.store / "train" / key / "training.json", log | {"cost": cost})
        config = {"method": {"name": f"method_{number}"}, "seed": 0}
        _write(self.store / "train" / key / "manifest.json", {"config": config, "ranks": 1})
        return key

    def _node(self, key: str, kind: Kind, stage: int) -> float:
        """Write the predictions of a node; returns their mean score."""
        folder, lines, total = self.store / "eval" / key, [], 0.0
        for item, target in enumerate(self.targets[kind.name]):
            right = self.random.random() < 0.3 + 0.05 * stage
            lenient = right or self.random.random() < 0.1
            total += right
            values = {kind.metric: float(right), f"{kind.metric}_lenient": float(lenient)}
            answer = target if right else self.text(kind.answer)
            row = {"filter": "none", "item": item, "prediction": [answer], "subtask": None}
            lines.append(json.dumps({**row, "target": target, "values": values}))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "predictions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        path = self.data / kind.name / "test.json"
        data = {"path": str(path), "sha256": self.hashes[kind.name]}
        benchmark = {"name": kind.name, "filter": "none", "headline": kind.metric}
        _write(folder / "manifest.json", {"benchmark": benchmark, "data": data, "kind": "eval"})
        return total / self.items


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
