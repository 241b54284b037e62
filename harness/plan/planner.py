"""Configuration -> the work that produces it and the cells that it reports; pure, no torch.

A node is one piece of work (train one stage, score one benchmark on one model) named by a content
key, so that runs share what they have in common. A cell says which node answers for one place in
the score matrix.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.config import BenchmarkConfig, HarnessConfig, JudgeBackend
from harness.config.sequence import column_names, task_order
from harness.evaluation.judge.judging import RULES
from harness.evaluation.judge.prompts import VERSION
from harness.plan.cells import reported_schedule, suite_stages, target_cells
from harness.plan.scoring import Scoring
from harness.plan.training import TrainingNodes
from harness.store.keys import FileHashes, digest, node_key
from harness.store.records import Json, ModelRef
from harness.store.scores import Settings
from harness.store.work import Cell, EvalWork, JudgeWork, Plan, Work


def make_plan(config: HarnessConfig, hashes: FileHashes, settings: Settings | None = None) -> Plan:
    """Plan a validated configuration. `hashes` remembers file hashes between calls; `settings`
    are what tells the run apart in tables."""
    return _Planner(config, hashes).plan(settings)


class _Planner:
    def __init__(self, config: HarnessConfig, hashes: FileHashes) -> None:
        self.config = config
        self.order = task_order(config)
        self.columns = column_names(self.order)
        self.scoring = Scoring(config, hashes)
        self.training = TrainingNodes(config, hashes, self.order, self.scoring)
        self.nodes: dict[str, Work] = {}
        self.judgements: dict[str, Work] = {}
        self.baselines: dict[tuple[str, str], EvalWork] = {}
        self.cells: list[Cell] = []

    def plan(self, settings: Settings | None = None) -> Plan:
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
        return Plan(self._run(settings), list(self.nodes.values()), self.cells)

    def _target(self, stage: int, model: ModelRef, column: int) -> None:
        work = self.scoring.work(stage, model, self.scoring.task(self.order[column]))
        self._add(work)
        cell = self._cell(work, "target", self.columns[column])
        shots, split = self.config.method.prompting.demonstrations, self.config.eval.split.value
        self.cells.append(replace(cell, shots=shots, split=split))

    def _suites(self, stage: int, model: ModelRef) -> None:
        judges = self.config.judge.backend is not JudgeBackend.none
        for suite, group in self.config.suite.items():
            for name, benchmark in group.benchmarks.items():
                work = self.scoring.work(stage, model, self.scoring.benchmark(name, benchmark))
                self._add(work)
                cell = self._cell(work, suite, name)
                self.cells.append(cell)
                if benchmark.judged and judges:
                    judged = self._judged(work, suite, benchmark)
                    self.cells.append(
                        replace(cell, key=judged.key, headline="net_win", kind=judged.kind)
                    )

    def _judged(self, work: EvalWork, suite: str, benchmark: BenchmarkConfig) -> JudgeWork:
        """The work that compares a benchmark's answers with stage 0's. Judging comes last in a
        plan: what fails at an endpoint holds up nothing else."""
        judge, name = self.config.judge, work.benchmark.name
        if work.stage == 0:
            self.baselines[suite, name] = work
            # Stage 0 against answers of its own: how often chance wins.
            again = self.scoring.benchmark(name, benchmark, judge.resample_temperature)
            work = self.scoring.work(0, work.model, again)
            self._add(work)
        node = JudgeWork(
            stage=work.stage,
            label=f"judge {name}",
            effort=float(work.items * judge.max_tokens),
            candidate=work.made(),
            baseline=self.baselines[suite, name].made(),
            rubric=str(benchmark.judged),
            judge=judge,
            prompts=VERSION,
            rules=RULES,
            model=work.model,
            benchmark=name,
            items=2 * work.items,
        )
        self.judgements.setdefault(node.key, node)
        return node

    def _add(self, node: Work) -> None:
        self.nodes.setdefault(node.key, node)

    def _cell(self, work: EvalWork, suite: str, name: str) -> Cell:
        benchmark = work.benchmark
        return Cell(
            stage=work.stage,
            trained_task=self.columns[work.stage - 1] if work.stage > 0 else None,
            suite=suite,
            benchmark=name,
            key=work.key,
            headline=benchmark.headline,
            filter=benchmark.filter,
            unit=benchmark.unit,
            shots=benchmark.shots,
            split="test",
            side=benchmark.side,
        )

    def _run(self, settings: Settings | None) -> Json:
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
            "backend": config.eval.backend.value,
        }
        content = {**about, "keys": sorted(self.nodes), "cells": len(self.cells)}
        unseeded = {"keys": unseeded_keys(list(self.nodes.values())), "method": config.method.name}
        return {
            **about,
            "seed": config.seed,
            "run": digest({**content, "seed": config.seed}),
            "group": digest(unseeded),
            "settings": settings or {},
            "model_key": self.training.initial_model().key,
        }


def unseeded_keys(nodes: Sequence[Work]) -> list[str]:
    """What runs over several seeds have in common: the keys of work, in the order of a plan, as
    they were if neither it nor what it is made from had a seed."""
    twins: dict[str, str] = {}

    def unseeded(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: unseeded(item) for name, item in value.items()}
        if isinstance(value, list):
            return [unseeded(item) for item in value]
        return twins.get(value, value) if isinstance(value, str) else value

    for node in nodes:
        content = {name: item for name, item in node.content().items() if name != "seed"}
        twins[node.key] = node_key(unseeded(content))
    return list(twins.values())
