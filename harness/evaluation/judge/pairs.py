"""A judge node of the store: a later stage's predictions against stage 0's."""

import json
from pathlib import Path

from harness.config import HarnessConfig, JudgeBackend
from harness.errors import StageFailed
from harness.evaluation.judge.cache import Cache, cache_path
from harness.evaluation.judge.http import HttpJudge
from harness.evaluation.judge.judging import Backend, judge_pairs
from harness.evaluation.judge.local import LocalJudge
from harness.evaluation.judge.outcome import NET_WIN
from harness.evaluation.judge.prompts import Pair
from harness.evaluation.scores import require_scores
from harness.store.files import write_atomically, write_json
from harness.store.layout import DETAILS, PREDICTIONS, SCORES
from harness.store.listener import Listener
from harness.store.store import Store
from harness.store.work import JudgeWork


class JudgeRunner:
    """Judges nodes with one backend and one cache."""

    def __init__(self, config: HarnessConfig, store: Store, device: str) -> None:
        self.config, self.store = config, store
        judge = config.judge
        local = judge.backend is JudgeBackend.local
        self.backend: Backend = LocalJudge(judge, device) if local else HttpJudge(judge)
        self.cache = Cache(cache_path(judge, store.root))

    def run(self, work: JudgeWork, folder: Path, listener: Listener) -> None:
        """Judge the pairs of two evaluations; writes scores, verdicts and costs into `folder`."""
        pairs, judge = self._pairs(work), self.config.judge
        found = judge_pairs(pairs, work.rubric, judge, self.backend, self.cache, listener.update)
        rows = found.rows()
        require_scores(rows, work.benchmark, NET_WIN, "none")
        write_json(folder / SCORES, rows)
        write_json(folder / DETAILS, {"rubric": work.rubric, **found.counts(), **found.usage})
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

    def _pairs(self, work: JudgeWork) -> list[Pair]:
        stages = [
            read_predictions(self.store.path(made.kind, made.key) / PREDICTIONS)
            for made in (work.candidate, work.baseline)
        ]
        try:
            return pair_up(*stages)
        except ValueError as error:
            raise StageFailed(f"{work.benchmark}: {error}") from error


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
