"""Measures that compare a run with models tuned on one task each (schedule single)."""

import operator
import statistics
from collections.abc import Mapping, Sequence

from harness.errors import ConfigError
from harness.results.measures.continual import intransigence, op_normalised
from harness.results.score_file import RunScores

FORMULAS = {
    "intransigence": "mean_i (single_i - R[i,i])",
    "op_normalised": "mean_i (R[T,i] - floor_i) / (single_i - floor_i)",
}


def measures_against_single(
    run: RunScores, runs: Sequence[RunScores], floors: Mapping[str, float]
) -> dict[str, float | None]:
    """Intransigence and normalised OP of one run of a file; null where the file has no models tuned
    alone to compare it with.

    floors: task -> score in 0..1 without skill, before those of the file. Raises ConfigError where
    some are given and others lacking, DataError where the models tuned alone are not above them;
    with those of the file alone the normalised OP is null then.
    """
    single = single_scores(run, runs)
    if single is None:
        return dict.fromkeys(FORMULAS)
    tasks = run.matrix.tasks
    known = {**run.floors, **floors}
    lacking = [task for task in tasks if task not in known]
    if floors and lacking:
        raise ConfigError(f"--floors: no floor for task {lacking[0]!r}; write {lacking[0]}=0.5")
    if lacking or not (floors or all(map(operator.lt, map(known.get, tasks), single))):
        normalised = None
    else:
        normalised = op_normalised(run.matrix, single, [known[task] for task in tasks])
    return {"intransigence": intransigence(run.matrix, single), "op_normalised": normalised}


def single_scores(run: RunScores, runs: Sequence[RunScores]) -> list[float] | None:
    """The scores of models tuned on each of the run's tasks alone, mean over seeds, in its order.

    Null for such a run itself, and where the file has none of the same setting and tasks, or some
    that differ in more than their seed (which of them would be a guess).
    """
    alone = [
        other
        for other in runs
        if other.matrix.schedule == "single"
        and other.setting == run.setting
        and set(other.matrix.tasks) == set(run.matrix.tasks)
    ]
    if (
        run.matrix.schedule == "single"
        or len({(other.method, other.group) for other in alone}) != 1
    ):
        return None
    return [statistics.fmean(_score(other, task) for other in alone) for task in run.matrix.tasks]


def _score(run: RunScores, task: str) -> float:
    column = run.matrix.tasks.index(task)
    return run.matrix.value((column + 1, column))
