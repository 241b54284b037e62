"""Continual-learning measures, as pure functions of a score matrix R[stage, task].

Stages are 0..T and tasks 1..T; R[t, i] is the score on task i after training the first t tasks.
Scores are 0..1 and differences of them -1..1. A measure is None where it has no meaning (one task,
another schedule) or where optional cells are absent (row 0, the super-diagonal); a cell that the
schedule promises and that is missing raises DataError naming stage and task.

Every measure is a weighted sum of cells, so one table of weights gives value and item error.

**Item error.** The standard error that comes from scoring finite test sets, for a fixed model. Test
sets of different tasks are independent. Scores of one task at several stages share their items.
Where the matrix knows the item scores of all the cells that a measure weighs of a task, the error
of that task's part is the paired one (`item_errors.py`): it is exact for every measure. Elsewhere
only the cells' own errors are known. An item that is easy at one stage tends to be easy at another,
correlation rho >= 0: for weights w and standard errors s, Var = sum w^2 s^2 + 2 sum w w' rho s s',
and each task contributes at most (sum of |w| s over positive w)^2 + (the same over negative w)^2:
rho = 1 where the signs agree, rho = 0 where they differ. This is exact for OP and learning accuracy
(one cell per task), the sum under independence for BWT, forgetting and the gains (too large by
2 rho s s' per task), and an upper bound for averages over stages. Which cell is a maximum, and
which differences are clipped, is taken as given. The spread over seeds is a different error and is
not contained in this one.

Sources: OP and BWT as TRACE reports them, arXiv 2310.06762; BWT and FWT after Lopez-Paz and
Ranzato, "Gradient Episodic Memory for Continual Learning", arXiv 1706.08840, eqs. 3 and 4 (FWT: row
0 is the initial model instead of a random one); forgetting and intransigence after Chaudhry et al.,
"Riemannian Walk for Incremental Learning", arXiv 1801.10112; learning accuracy after Riemer et al.,
"Learning to Learn without Forgetting by Maximizing Transfer and Minimizing Interference",
arXiv 1810.11910; transfer and the mean of the whole matrix after Zheng et al., "Preventing
Zero-Shot Transfer Degradation in Continual Learning of Vision-Language Models", arXiv 2303.06628
("Transfer", "Avg"; its "Last" is OP).
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.errors import DataError
from harness.results.measures.item_errors import paired_error, unpaired_error
from harness.results.measures.matrix import Place, ScoreMatrix, diagonal

Weights = dict[Place, float]


@dataclass(frozen=True)
class Estimate:
    """A measure and its item error, both None where undefined."""

    value: float | None = None
    item_error: float | None = None


@dataclass(frozen=True)
class Measure:
    """A named definition: its formula in short, and the weights it puts on the cells of R."""

    name: str
    formula: str
    weights: Callable[[ScoreMatrix], Weights | None]

    def of(self, scores: ScoreMatrix) -> Estimate:
        """Return value and item error of this measure on one run."""
        weights = self.weights(scores)
        if weights is None:
            return Estimate()
        return Estimate(_value(scores, weights), _item_error(scores, weights))


def op_curve(scores: ScoreMatrix) -> list[float] | None:
    """Return OP_t = mean_{i<=t} R[t,i] for t = 1..T; None unless the whole triangle is promised."""
    if not _has_triangle(scores):
        return None
    return [_value(scores, _mean(_row(stage))) for stage in range(1, scores.size + 1)]


def intransigence(scores: ScoreMatrix, single: Sequence[float]) -> float | None:
    """Return mean_i (single_i - R[i,i]): what is not learned compared with tuning on task i alone.

    single: T scores in 0..1 of models tuned on one task each.
    """
    _check_length("single", single, scores)
    reached = MEASURES["learning_accuracy"].of(scores).value
    return None if reached is None else sum(single) / scores.size - reached


def op_normalised(
    scores: ScoreMatrix, single: Sequence[float], floors: Sequence[float]
) -> float | None:
    """Return mean_i (R[T,i] - floor_i) / (single_i - floor_i): 0 = no skill, 1 = tuned alone.

    floors: T scores in 0..1 without skill (majority class, empty answer).
    """
    _check_length("single", single, scores)
    _check_length("floors", floors, scores)
    weights: Weights = {}
    for cell, low, high in zip(_final(scores), floors, single, strict=True):
        if high <= low:
            raise DataError(
                f"op_normalised: task {scores.tasks[cell[1]]!r} scores {high} when tuned alone, "
                f"not above its floor {low}; leave the task out or correct the floor"
            )
        weights[cell] = 1.0 / (high - low) / scores.size
    offset = sum(low / (high - low) for low, high in zip(floors, single, strict=True))
    return _value(scores, weights) - offset / scores.size


def _op(scores: ScoreMatrix) -> Weights | None:
    """Overall performance: mean of row T; of the diagonal (single), of row 0 (none)."""
    return _mean(_final(scores))


def _learning_accuracy(scores: ScoreMatrix) -> Weights | None:
    """How well each task is learned when its turn comes."""
    return _mean(diagonal(scores.size)) if _learns_in_turn(scores) else None


def _bwt(scores: ScoreMatrix) -> Weights | None:
    """Backward transfer; negative means forgetting."""
    return _changes(scores, scores.size - 1)


def _bwt_over_tasks(scores: ScoreMatrix) -> Weights | None:
    """Over T instead of T-1, as in two TRACE tables and SEEKR's code."""
    return _changes(scores, scores.size)


def _bwt_clipped(scores: ScoreMatrix) -> Weights | None:
    """Gains are dropped, as in the code of TreeLoRA."""
    return _changes(scores, scores.size, clipped=True)


def _forgetting(scores: ScoreMatrix) -> Weights | None:
    """Negative if the last task still helped."""
    last = scores.size
    if not _has_triangle(scores) or last < 2:
        return None
    weights: Weights = {}
    for column in range(last - 1):
        earlier = [(stage, column) for stage in range(column + 1, last)]
        weights[max(earlier, key=scores.value)] = 1.0 / (last - 1)
        weights[last, column] = -1.0 / (last - 1)
    return weights


def _fwt(scores: ScoreMatrix) -> Weights | None:
    """Forward transfer; needs super-diagonal and row 0."""
    if scores.schedule != "sequential":
        return None
    return _gains(scores, [(column, column) for column in range(1, scores.size)])


def _learning_gain(scores: ScoreMatrix) -> Weights | None:
    """What training on a task adds; needs row 0."""
    return _gains(scores, diagonal(scores.size)) if _learns_in_turn(scores) else None


def _mean_op(scores: ScoreMatrix) -> Weights | None:
    """The "TRACE-OP" of reports on FGGM; far above OP after a collapse."""
    if not _has_triangle(scores):
        return None
    size = scores.size
    return {cell: 1.0 / cell[0] / size for t in range(1, size + 1) for cell in _row(t)}


def _triangle_mean(scores: ScoreMatrix) -> Weights | None:
    """The mean of the lower triangle, the "All Average" of TreeLoRA's code."""
    if not _has_triangle(scores):
        return None
    return _mean([cell for t in range(1, scores.size + 1) for cell in _row(t)])


def _transfer(scores: ScoreMatrix) -> Weights | None:
    """ZSCL's "Transfer": what is there of a task before its turn; every task weighs alike. Needs
    all cells of tasks to come."""
    columns = range(1, scores.size)
    weights = {(t, i): 1.0 / i / len(columns) for i in columns for t in range(1, i + 1)}
    return weights if _has_whole(scores) and columns else None


def _matrix_mean(scores: ScoreMatrix) -> Weights | None:
    """ZSCL's "Avg", over all stages and tasks; needs all cells of tasks to come."""
    if not _has_whole(scores):
        return None
    return _mean([(t, i) for t in range(1, scores.size + 1) for i in range(scores.size)])


def _has_whole(scores: ScoreMatrix) -> bool:
    """Are tasks to come scored at every stage (eval.future=all)?"""
    upper = [(t, i) for t in range(1, scores.size) for i in range(t, scores.size)]
    return _has_triangle(scores) and all(scores.has(cell) for cell in upper)


def _gains(scores: ScoreMatrix, cells: Sequence[Place]) -> Weights | None:
    """Mean of R[cell] - R[0, same task]; None unless row 0 and all optional cells are there."""
    starts = [(0, column) for _, column in cells]
    promised = set(scores.promised())
    optional = [cell for cell in (*starts, *cells) if cell not in promised]
    if not cells or not all(scores.has(cell) for cell in optional):
        return None
    share = 1.0 / len(cells)
    return dict.fromkeys(cells, share) | dict.fromkeys(starts, -share)


def _changes(scores: ScoreMatrix, divisor: int, *, clipped: bool = False) -> Weights | None:
    """Sum over i < T of (R[T,i] - R[i,i]) / divisor, without the gains if clipped."""
    last = scores.size
    if scores.schedule != "sequential" or last < 2:
        return None
    weights: Weights = {}
    for column in range(last - 1):
        end, start = (last, column), (column + 1, column)
        change = scores.value(end) - scores.value(start)
        share = 0.0 if clipped and change > 0 else 1.0 / divisor
        weights |= {end: share, start: -share}
    return weights


def _final(scores: ScoreMatrix) -> list[Place]:
    if scores.schedule == "single":
        return diagonal(scores.size)
    stage = 0 if scores.schedule == "none" else scores.size
    return [(stage, column) for column in range(scores.size)]


def _row(stage: int) -> list[Place]:
    return [(stage, column) for column in range(stage)]


def _mean(cells: Sequence[Place]) -> Weights:
    return dict.fromkeys(cells, 1.0 / len(cells))


def _learns_in_turn(scores: ScoreMatrix) -> bool:
    return scores.schedule in ("sequential", "single")


def _has_triangle(scores: ScoreMatrix) -> bool:
    return scores.schedule == "sequential" and scores.past == "all"


def _value(scores: ScoreMatrix, weights: Weights) -> float:
    return math.fsum(weight * scores.value(cell) for cell, weight in weights.items())


def _item_error(scores: ScoreMatrix, weights: Weights) -> float | None:
    sets: dict[str, Weights] = defaultdict(dict)
    for cell, weight in weights.items():
        sets[dataset_of(scores.tasks[cell[1]])][cell] = weight
    squares = []
    for own in sets.values():
        error = paired_error(own, scores.items)
        if error is None:
            error = unpaired_error((weight, scores.error(cell)) for cell, weight in own.items())
        if error is None:
            return None
        squares.append(error**2)
    return math.sqrt(math.fsum(squares))


def dataset_of(task: str) -> str:
    """What a task was scored on: a task that is visited again (name#2) has one test set for all its
    columns."""
    return re.sub(r"#\d+$", "", task)


def _check_length(what: str, given: Sequence[float], scores: ScoreMatrix) -> None:
    if len(given) != scores.size:
        raise DataError(
            f"{what}: needs one score for each of {scores.size} tasks, has {len(given)}"
        )


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("op", "mean_i R[T,i]", _op),
        Measure("learning_accuracy", "mean_i R[i,i]", _learning_accuracy),
        Measure("bwt", "sum_{i<T} (R[T,i] - R[i,i]) / (T-1)", _bwt),
        Measure("forgetting", "mean_{i<T} (max_{i<=l<T} R[l,i] - R[T,i])", _forgetting),
        Measure("fwt", "mean_{i>=2} (R[i-1,i] - R[0,i])", _fwt),
        Measure("learning_gain", "mean_i (R[i,i] - R[0,i])", _learning_gain),
        Measure("mean_op", "mean_t OP_t, OP_t = mean_{i<=t} R[t,i]", _mean_op),
        Measure("triangle_mean", "mean of R[t,i] over i <= t", _triangle_mean),
        Measure("transfer", "mean_{i>=2} mean_{1<=t<i} R[t,i]", _transfer),
        Measure("matrix_mean", "mean of R[t,i] over all t >= 1 and i", _matrix_mean),
        Measure("bwt_over_T", "sum_{i<T} (R[T,i] - R[i,i]) / T", _bwt_over_tasks),
        Measure("bwt_clipped", "sum_{i<T} min(R[T,i] - R[i,i], 0) / T", _bwt_clipped),
    )
}
