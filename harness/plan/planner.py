"""Configuration -> the nodes that produce it and the cells that it reports; pure, no torch.

A node is one piece of work (train one stage, score one benchmark on one model) named by a content
key, so that runs share what they have in common. A cell says which node answers for one place in
the score matrix.
"""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.config import BenchmarkConfig, HarnessConfig, JudgeBackend, PromptStyle, TaskConfig
from harness.config.plain import identity, plain
from harness.config.sequence import column_names, task_order
from harness.data.demonstrations import Shown, demonstration_split, draw_demonstrations
from harness.data.rows import read_rows, split_path
from harness.evaluation.amounts import UNKNOWN, Amount, measure, of_rows
from harness.evaluation.judge.judging import scoring_identity
from harness.evaluation.material import rows_file, source_folder
from harness.plan.cells import reported_schedule, suite_stages, target_cells
from harness.plan.training import TrainingNodes
from harness.store.keys import FileHashes, digest, node_key
from harness.store.work import Cell, Node, Plan, Spec


def make_plan(config: HarnessConfig, hashes: FileHashes, overrides: str = "") -> Plan:
    """Plan a validated configuration. `hashes` remembers file hashes between calls."""
    return _Planner(config, hashes).plan(overrides)


class _Planner:
    def __init__(self, config: HarnessConfig, hashes: FileHashes) -> None:
        self.config = config
        self.hashes = hashes
        self.order = task_order(config)
        self.columns = column_names(self.order)
        self.training = TrainingNodes(config, hashes, self.order)
        self.nodes: dict[str, Node] = {}
        self.judgements: dict[str, Node] = {}
        self.baselines: dict[tuple[str, str], str] = {}
        self.cells: list[Cell] = []

    def plan(self, overrides: str) -> Plan:
        total = len(self.order)
        targets = target_cells(self.config, total)
        with_suites = set(suite_stages(self.config, total))
        for stage, model, nodes in self.training.walk(self.columns):
            for node in (*self.training.hidden, *nodes):
                self._add(node)
            for where, column in targets:
                if where == stage:
                    self._target(stage, model, column)
            if stage in with_suites:
                self._suites(stage, model)
        self.nodes |= self.judgements
        return Plan(self._run(overrides), list(self.nodes.values()), self.cells)

    def _target(self, stage: int, model: Spec, column: int) -> None:
        name = self.order[column]
        task = self._as_scored(name)
        split = self.config.eval.split.value
        path = split_path(self.config.data.root, task.folder, split)
        shown = self._demonstrations(name)
        key = self._score(stage, model, name, task, path, self.config.eval.limit, shown)
        self._cell(stage, "target", self.columns[column], key, task, split)

    def _as_scored(self, name: str) -> TaskConfig:
        task, cap = self.config.task[name], self.config.eval.max_answer_tokens
        if self.config.method.prompting.postprocess:
            cap = task.first_tokens or cap
        return task if cap is None else replace(task, max_answer_tokens=cap)

    def _demonstrations(self, name: str) -> Shown | None:
        """What stands before every prompt of a task: a fixed seeded draw of its solved rows."""
        prompting, task = self.config.method.prompting, self.config.task[name]
        if prompting.demonstrations == 0:
            return None
        split = demonstration_split(task, prompting).value
        rows = read_rows(split_path(self.config.data.root, task.folder, split))
        drawn = draw_demonstrations(rows, name, task, prompting)
        instruction = task.instruction if prompting.style is PromptStyle.trace else None
        return Shown(drawn, instruction, prompting.max_prompt_tokens) if drawn else None

    def _suites(self, stage: int, model: Spec) -> None:
        judge = self.config.judge
        for suite, group in self.config.suite.items():
            for name, benchmark in group.benchmarks.items():
                path, root = None, self.config.data.suite_root
                if benchmark.source is not None:
                    path = source_folder(root, str(benchmark.folder))
                elif benchmark.folder is not None:
                    path = rows_file(root, benchmark.folder)
                limit = benchmark.limit or self.config.eval.limit
                key = self._score(stage, model, name, benchmark, path, limit)
                self._cell(stage, suite, name, key, benchmark, "test")
                if benchmark.judged and judge.backend is not JudgeBackend.none:
                    if stage == 0:
                        self.baselines[suite, name] = key
                        # Stage 0 against answers of its own: how often chance wins.
                        again = judge.resample_temperature
                        key = self._score(stage, model, name, benchmark, path, limit, None, again)
                    self._judged(stage, suite, name, benchmark, key)

    def _score(
        self,
        stage: int,
        model: Spec,
        name: str,
        what: TaskConfig | BenchmarkConfig,
        path: Path | None,
        limit: int | None,
        shown: Shown | None = None,
        temperature: float | None = None,
    ) -> str:
        config = self.config
        sampled = self._temperature(what) if temperature is None else temperature
        extra: Spec = {"seed": config.seed, "temperature": sampled} if sampled > 0 else {}
        cut = what.demonstration_end if isinstance(what, TaskConfig) else None
        if not config.method.prompting.postprocess:
            cut = None
        if shown:
            extra["shown"] = plain(shown)
        if cut:
            extra["cut"] = cut
        if path is None:
            extra["lm_eval"] = version("lm_eval")
        rules = identity(config.eval, "eval") | {"limit": limit}
        rules.pop("temperature", None)  # the benchmark's own stands beside
        key = node_key(
            {
                "kind": "eval",
                "inputs": [model["key"]],
                "data": self._content(path),
                "benchmark": {"name": name, **identity(what, "eval")},
                "eval": rules,
                "engine": identity(config.engine, "eval"),
                "model": identity(config.model, "eval"),
                **extra,
            }
        )
        amount = _amount(name, what, path, shown)
        items = amount.within(limit)
        spec = {
            "benchmark": name,
            "data": None if path is None else str(path),
            "items": items,
            "read_tokens": amount.tokens_within(limit),
            "by_likelihood": amount.by_likelihood,
            "limit": limit,
            "temperature": sampled,
            "what": plain(what),
            "shown": extra.get("shown"),
            "cut": cut,
        }
        work = float(items * (1 if amount.by_likelihood else what.max_answer_tokens))
        self._add(Node("eval", key, stage, f"score {name}", model, spec, work))
        return key

    def _temperature(self, what: TaskConfig | BenchmarkConfig) -> float:
        """Benchmarks with right answers are generated greedily whatever the tasks are."""
        of_suite = isinstance(what, BenchmarkConfig) and not what.judged
        return self.config.eval.suite_temperature if of_suite else self.config.eval.temperature

    def _judged(
        self, stage: int, suite: str, name: str, benchmark: BenchmarkConfig, candidate: str
    ) -> None:
        """The node that compares a benchmark's answers with stage 0's. Judge nodes come last in a
        plan: what fails at an endpoint holds up nothing else."""
        baseline = self.baselines[suite, name]
        key = node_key(
            {
                "kind": "judge",
                "inputs": [candidate, baseline],
                "rubric": benchmark.judged,
                "judge": scoring_identity(self.config.judge),
            }
        )
        items = self.nodes[candidate].spec["items"]
        spec = {
            "benchmark": name,
            "rubric": benchmark.judged,
            "candidate": candidate,
            "baseline": baseline,
            "needs": [["eval", baseline]],
            "items": 2 * items,
        }
        model = {"kind": "eval", "key": candidate}
        work = float(items * self.config.judge.max_tokens)
        node = Node("judge", key, stage, f"judge {name}", model, spec, work)
        self.judgements.setdefault(key, node)
        self._cell(stage, suite, name, key, benchmark, "test", kind="judge")

    def _content(self, path: Path | None) -> Any:
        """Hash of a data file, or of every file of a folder."""
        if path is None:
            return None
        return self.hashes.folder(path) if path.is_dir() else self.hashes.file(path)

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
        kind: str = "eval",
    ) -> None:
        trained = self.columns[stage - 1] if stage > 0 else None
        self.cells.append(
            Cell(
                stage=stage,
                trained_task=trained,
                suite=suite,
                benchmark=name,
                key=key,
                headline=what.headline if kind == "eval" else "net_win",
                filter=getattr(what, "filter", "none"),
                unit=getattr(what, "unit", "score"),
                shots=getattr(what, "shots", self.config.method.prompting.demonstrations),
                split=split,
                kind=kind,
                side=getattr(what, "side", None),
            )
        )

    def _run(self, overrides: str) -> Spec:
        config = self.config
        about = {
            "experiment": config.experiment,
            "model": config.model.name,
            "sequence": config.sequence.name,
            "data": config.data.name,
            "method": config.method.name,
            "schedule": reported_schedule(config).value,
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
            "model_key": self.training.initial_model()["key"],
        }

    def _without_seed(self) -> Spec:
        """What runs over several seeds have in common: the keys of a plan with seed 0."""
        if self.config.seed == 0:
            return {"keys": list(self.nodes), "method": self.config.method.name}
        twin = _Planner(replace(self.config, seed=0), self.hashes).plan("")
        return {"keys": [node.key for node in twin.nodes], "method": self.config.method.name}


def _amount(
    name: str, what: TaskConfig | BenchmarkConfig, path: Path | None, shown: Shown | None
) -> Amount:
    """How much work a benchmark is; of lm-eval's own tasks it is not known before they load."""
    if path is None:
        return UNKNOWN
    if isinstance(what, BenchmarkConfig) and what.source is not None:
        return measure(what, path, name)
    return of_rows(path, what, shown)
