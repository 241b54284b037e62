"""Configuration -> the nodes that produce it and the cells that it reports; pure, no torch.

A node is one piece of work (train one stage, score one benchmark on one model) named by a content
key, so that runs share what they have in common. A cell says which node answers for one place in
the score matrix.
"""

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.config import BenchmarkConfig, HarnessConfig, LossNorm, Schedule, TaskConfig
from harness.data.demonstrations import draw_demonstrations
from harness.data.files import read_rows, split_path
from harness.keys import FileHashes, digest, identity, plain, plain_identity
from harness.methods.loading import load_strategies
from harness.sequence import column_names, suite_stages, target_cells, task_order

Spec = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """One piece of work; `spec` is plain JSON, all that a worker needs besides the store."""

    kind: str
    key: str
    stage: int
    label: str
    model: Spec
    spec: Spec = field(hash=False)
    work: float = 0.0

    def to_json(self) -> Spec:
        return plain(self)


@dataclass(frozen=True)
class Cell:
    """One place in the score matrix and the key of the eval node that fills it."""

    stage: int
    trained_task: str | None
    suite: str
    benchmark: str
    key: str
    headline: str
    filter: str
    unit: str
    shots: int
    split: str


@dataclass
class Plan:
    """All nodes in an order that respects their inputs, all cells, and the run's columns."""

    run: Spec
    nodes: list[Node]
    cells: list[Cell]


def make_plan(config: HarnessConfig, hashes: FileHashes, overrides: str = "") -> Plan:
    """Plan a validated configuration. `hashes` remembers file hashes between calls."""
    return _Planner(config, hashes).plan(overrides)


class _Planner:
    def __init__(self, config: HarnessConfig, hashes: FileHashes) -> None:
        self.config = config
        self.hashes = hashes
        self.order = task_order(config)
        self.columns = column_names(self.order)
        self.nodes: dict[str, Node] = {}
        self.cells: list[Cell] = []

    def plan(self, overrides: str) -> Plan:
        total = len(self.order)
        sequential = self.config.method.schedule is Schedule.sequential
        targets = target_cells(self.config, total)
        if not sequential:
            targets = [(0, column) for column in range(total)]
        with_suites = set(suite_stages(self.config, total))
        model = self._initial_model()
        for stage in range(total + 1):
            if stage > 0 and not sequential:
                break
            if stage > 0:
                model = self._train(stage, model)
            for where, column in targets:
                if where == stage:
                    self._target(stage, model, column)
            if stage in with_suites:
                self._suites(stage, model)
        return Plan(self._run(overrides), list(self.nodes.values()), self.cells)

    def _initial_model(self) -> Spec:
        model = self.config.model
        folder = Path(model.path)
        if folder.is_dir():
            key = digest({"files": self.hashes.folder(folder)})
            return {"kind": "folder", "path": str(folder.absolute()), "key": key}
        key = digest({"hub": model.path, "revision": model.revision})
        return {"kind": "hub", "path": model.path, "revision": model.revision, "key": key}

    def _train(self, stage: int, parent: Spec) -> Spec:
        config, name = self.config, self.order[stage - 1]
        task = config.task[name]
        path = self._training_file(name)
        budget = {
            "epochs": config.train.epochs or task.epochs,
            "learning_rate": config.method.learning_rate_factor
            * (task.learning_rate or config.train.learning_rate),
        }
        train = identity(config.train, "train") | budget
        if config.train.loss_norm is LossNorm.micro_batch:
            train["micro_batch_size"] = config.train.micro_batch_size
        key = digest(
            {
                "kind": "train",
                "inputs": [parent["key"]],
                "data": self.hashes.file(path),
                "task": {"name": name, **identity(task, "train")},
                "train": train,
                "method": self._method(),
                "replayed": self._replayed(stage),
                "engine": identity(config.engine, "train"),
                "model": identity(config.model, "train"),
                "seed": config.seed,
                "stage": stage,
            }
        )
        spec = {
            "task": name,
            "data": str(path),
            **budget,
            "earlier": {task: str(self._training_file(task)) for task in self.order[: stage - 1]},
            "last": stage == len(self.order),
        }
        rows = read_rows(path)
        work = budget["epochs"] * sum(len(row["prompt"]) + len(row["answer"]) for row in rows)
        self._add(Node("train", key, stage, f"train {self.columns[stage - 1]}", parent, spec, work))
        return {"kind": "train", "key": key}

    def _method(self) -> Spec:
        """The method's identity: files that its strategies name enter by content, not by place."""
        found = identity(self.config.method, "train")
        if found.get("strategies"):
            found["strategies"] = {
                name: plain_identity(strategy)
                for name, strategy in load_strategies(self.config.method).items()
            }
        return found

    def _replayed(self, stage: int) -> list[str]:
        """Hashes of all data besides the task's own that the strategies read at a stage."""
        history = self.order[: stage - 1]
        paths: list[Path] = []
        for strategy in load_strategies(self.config.method).values():
            inputs = strategy.key_inputs(history)
            paths += [Path(name) for name in inputs.files]
            paths += [self._training_file(name) for name in inputs.tasks]
        return [self.hashes.file(path) for path in paths]

    def _target(self, stage: int, model: Spec, column: int) -> None:
        name = self.order[column]
        task = self.config.task[name]
        split = self.config.eval.split.value
        path = split_path(self.config.data.root, task.folder, split)
        shown = self._demonstrations(name)
        key = self._score(stage, model, name, task, path, self.config.eval.limit, shown)
        self._cell(stage, "target", self.columns[column], key, task, split)

    def _demonstrations(self, name: str) -> list[Spec]:
        """The task's solved examples for every prompt: a fixed seeded draw of training rows."""
        prompting = self.config.method.prompting
        if prompting.demonstrations == 0:
            return []
        return draw_demonstrations(read_rows(self._training_file(name)), name, prompting)

    def _training_file(self, name: str) -> Path:
        return split_path(self.config.data.root, self.config.task[name].folder, "train")

    def _suites(self, stage: int, model: Spec) -> None:
        for suite, group in self.config.suite.items():
            for name, benchmark in group.benchmarks.items():
                path = None
                if benchmark.folder is not None:
                    path = split_path(str(self.config.data.suite_root), benchmark.folder, "test")
                limit = benchmark.limit or self.config.eval.limit
                key = self._score(stage, model, name, benchmark, path, limit)
                self._cell(stage, suite, name, key, benchmark, "test")

    def _score(
        self,
        stage: int,
        model: Spec,
        name: str,
        what: TaskConfig | BenchmarkConfig,
        path: Path | None,
        limit: int | None,
        shown: list[Spec] | None = None,
    ) -> str:
        config = self.config
        extra: Spec = {"seed": config.seed} if config.eval.temperature > 0 else {}
        if shown:
            extra["demonstrations"] = shown
        if path is None:
            extra["lm_eval"] = version("lm_eval")
        rules = identity(config.eval, "eval") | {"limit": limit}
        key = digest(
            {
                "kind": "eval",
                "inputs": [model["key"]],
                "data": None if path is None else self.hashes.file(path),
                "benchmark": {"name": name, **identity(what, "eval")},
                "eval": rules,
                "engine": identity(config.engine, "eval"),
                "model": identity(config.model, "eval"),
                **extra,
            }
        )
        items = 0 if path is None else min(limit or 10**9, len(read_rows(path)))
        spec = {
            "benchmark": name,
            "data": None if path is None else str(path),
            "items": items,
            "limit": limit,
            "what": plain(what),
            "demonstrations": shown or [],
        }
        work = float(items * what.max_answer_tokens)
        self._add(Node("eval", key, stage, f"score {name}", model, spec, work))
        return key

    def _add(self, node: Node) -> None:
        self.nodes.setdefault(node.key, node)

    def _cell(
        self,
        stage: int,
        suite: str,
        name: str,
        key: str,
        what: TaskConfig | BenchmarkConfig,
        split: str,
    ) -> None:
        trained = self.columns[stage - 1] if stage > 0 else None
        self.cells.append(
            Cell(
                stage=stage,
                trained_task=trained,
                suite=suite,
                benchmark=name,
                key=key,
                headline=what.headline,
                filter=getattr(what, "filter", "none"),
                unit=getattr(what, "unit", "score"),
                shots=getattr(what, "shots", self.config.method.prompting.demonstrations),
                split=split,
            )
        )

    def _run(self, overrides: str) -> Spec:
        config = self.config
        about = {
            "experiment": config.experiment,
            "model": config.model.name,
            "sequence": config.sequence.name,
            "method": config.method.name,
            "schedule": config.method.schedule.value,
            "past": config.eval.past.value,
            "protocol": config.protocol,
            "tasks": self.columns,
            "backend": config.eval.backend,
        }
        content = {**about, "keys": sorted(self.nodes), "cells": len(self.cells)}
        unseeded = self._without_seed()
        return {
            **about,
            "seed": config.seed,
            "run": digest({**content, "seed": config.seed}),
            "group": digest(unseeded),
            "variant": overrides,
            "model_key": self._initial_model()["key"],
        }

    def _without_seed(self) -> Spec:
        """What runs over several seeds have in common: the keys of a plan with seed 0."""
        if self.config.seed == 0:
            return {"keys": list(self.nodes), "method": self.config.method.name}
        seed, self.config.seed = self.config.seed, 0
        twin = _Planner(self.config, self.hashes).plan("")
        self.config.seed = seed
        return {"keys": [node.key for node in twin.nodes], "method": self.config.method.name}
