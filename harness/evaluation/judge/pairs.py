"""A judge node of the store: a later stage's predictions against stage 0's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.config import HarnessConfig, JudgeBackend
from harness.errors import StageFailed
from harness.evaluation.judge.cache import Cache, cache_path
from harness.evaluation.judge.http import HttpJudge
from harness.evaluation.judge.judging import Backend, judge_pairs
from harness.evaluation.judge.local import LocalJudge
from harness.evaluation.judge.prompts import Pair
from harness.store.files import write_atomically, write_json
from harness.store.store import Store

SCORES, PREDICTIONS, DETAILS = "scores.json", "predictions.jsonl", "details.json"


class JudgeRunner:
    """Judges nodes with one backend and one cache."""

    def __init__(self, config: HarnessConfig, store: Store, device: str) -> None:
        self.config, self.store = config, store
        judge = config.judge
        local = judge.backend is JudgeBackend.local
        self.backend: Backend = LocalJudge(judge, device) if local else HttpJudge(judge)
        self.cache = Cache(cache_path(judge, store.root))

    def run(self, spec: dict[str, Any], folder: Path, say: Callable[[float], None]) -> None:
        """Judge the pairs of a node's spec; writes scores, verdicts and costs into `folder`."""
        pairs = self._pairs(spec)
        found = judge_pairs(
            pairs,
            spec["rubric"],
            self.config.judge,
            self.backend,
            self.cache,
            lambda done, total: say(done / (total + 1)),
        )
        write_json(folder / SCORES, found.rows())
        write_json(folder / DETAILS, {"rubric": spec["rubric"], **found.counts(), **found.usage})
        lines = []
        for pair, judged, reasons in zip(pairs, found.judged, found.reasons, strict=True):
            record = {
                "question": pair.question,
                "candidate": pair.candidate,
                "baseline": pair.baseline,
                "verdicts": [judged.straight, judged.swapped],
                "identical": judged.identical,
                "result": None if judged.malformed else judged.result,
                "reasons": reasons,
            }
            lines.append(json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n")
        write_atomically(folder / PREDICTIONS, "".join(lines))

    def _pairs(self, spec: dict[str, Any]) -> list[Pair]:
        stages = [
            read_predictions(self.store.path("eval", spec[name]) / PREDICTIONS)
            for name in ("candidate", "baseline")
        ]
        try:
            return pair_up(*stages)
        except ValueError as error:
            raise StageFailed(f"{spec['benchmark']}: {error}") from error


def read_predictions(path: Path) -> list[tuple[str, str]]:
    """(question, answer) of every item of an eval node."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        answer = row["prediction"]
        text = answer if isinstance(answer, str) else str(answer[0])
        found.append((str(row.get("asked", row["item"])), text))
    return found


def pair_up(candidate: list[tuple[str, str]], baseline: list[tuple[str, str]]) -> list[Pair]:
    """Answers to the same questions side by side. Raises ValueError where the questions differ."""
    if [question for question, _ in candidate] != [question for question, _ in baseline]:
        raise ValueError("candidate and baseline answer different questions")
    return [
        Pair(question, ours, first)
        for (question, ours), (_, first) in zip(candidate, baseline, strict=True)
    ]
