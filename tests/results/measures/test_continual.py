"""Continual measures on matrices computed by hand."""

import math

import pytest

from harness.errors import ConfigError, DataError
from harness.results.measures import continual as measures
from harness.results.measures.matrix import ScoreMatrix, binomial_stderr

NO = None
FULL = [[0.1, 0.2, 0.3], [0.8, 0.35, NO], [0.6, 0.9, 0.4], [0.5, 0.7, 0.6]]


def matrix(rows=FULL, tasks=("a", "b", "c"), stderr=None, **options):
    spread = None if stderr is None else tuple(map(tuple, stderr))
    return ScoreMatrix(tuple(tasks[: len(rows[0])]), tuple(map(tuple, rows)), spread, **options)


def value(name, scores):
    """A measure, or the curve, by its name."""
    if name == "op_curve":
        return measures.op_curve(scores)
    return measures.MEASURES[name].of(scores).value


def changed(stage, column, value):
    rows = [list(row) for row in FULL]
    rows[stage][column] = value
    return rows


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("op", (0.5 + 0.7 + 0.6) / 3),
        ("learning_accuracy", (0.8 + 0.9 + 0.6) / 3),
        ("bwt", (-0.3 - 0.2) / 2),
        ("bwt_over_T", (-0.3 - 0.2) / 3),
        ("bwt_clipped", (-0.3 - 0.2) / 3),
        ("forgetting", (0.3 + 0.2) / 2),
        ("fwt", (0.15 + 0.1) / 2),
        ("learning_gain", (0.7 + 0.7 + 0.3) / 3),
        ("mean_op", (0.8 + 0.75 + 0.6) / 3),
        ("triangle_mean", (0.8 + 0.6 + 0.9 + 0.5 + 0.7 + 0.6) / 6),
    ],
)
def test_every_definition_by_hand(name, expected):
    assert measures.MEASURES[name].of(matrix()).value == pytest.approx(expected)


def test_tasks_before_their_turn():
    """Task b waits one stage, c two: 0.35, and the mean of 0.3 and 0.4."""
    rows = changed(1, 2, 0.3)
    assert value("transfer", matrix(rows)) == pytest.approx((0.35 + 0.35) / 2)
    whole = (0.8 + 0.35 + 0.3) + (0.6 + 0.9 + 0.4) + (0.5 + 0.7 + 0.6)
    assert value("matrix_mean", matrix(rows)) == pytest.approx(whole / 9)
    for name in ("transfer", "matrix_mean"):
        assert value(name, matrix()) is None, "R[1,c] is not there"
        assert value(name, matrix(rows, past="ends")) is None
    assert value("transfer", matrix([[0.2], [0.7]])) is None


def test_op_curve():
    assert measures.op_curve(matrix()) == pytest.approx([0.8, 0.75, 0.6])


def test_forgetting_takes_the_best_stage_before_the_last():
    rows = changed(2, 0, 0.95)
    assert value("forgetting", matrix(rows)) == pytest.approx((0.45 + 0.2) / 2)
    assert value("bwt", matrix(rows)) == pytest.approx(-0.25), "BWT looks at the diagonal only"


def test_forgetting_may_be_negative_and_clipping_drops_gains():
    rows = changed(3, 0, 1.0)
    assert value("forgetting", matrix(rows)) == pytest.approx((-0.2 + 0.2) / 2)
    assert value("bwt", matrix(rows)) == pytest.approx((0.2 - 0.2) / 2)
    assert value("bwt_clipped", matrix(rows)) == pytest.approx(-0.2 / 3)
    rows[3][1] = 1.0
    assert value("forgetting", matrix(rows)) == pytest.approx((-0.2 - 0.1) / 2)


def test_one_task_has_no_transfer_and_no_forgetting():
    one = matrix([[0.2], [0.7]])
    assert value("op", one) == pytest.approx(0.7)
    assert value("learning_gain", one) == pytest.approx(0.5)
    for name in ("bwt", "bwt_over_T", "bwt_clipped", "forgetting", "fwt"):
        assert value(name, one) is None


@pytest.mark.parametrize(
    ("name", "stage", "column"),
    [("op", 3, 1), ("bwt", 3, 0), ("bwt", 1, 0), ("forgetting", 2, 0), ("mean_op", 2, 0),
     ("learning_accuracy", 2, 1), ("triangle_mean", 2, 0), ("op_curve", 2, 0)],
)  # fmt: skip
def test_a_missing_promised_cell_is_named(name, stage, column):
    task = "abc"[column]
    with pytest.raises(DataError, match=rf"'{task}' at stage {stage}"):
        value(name, matrix(changed(stage, column, NO)))
    assert matrix(changed(stage, column, NO)).missing() == [(stage, task)]


def test_optional_cells_give_null():
    without_row0 = matrix([[NO] * 3, *FULL[1:]])
    assert value("learning_gain", without_row0) is None
    assert value("fwt", without_row0) is None
    assert value("op", without_row0) == pytest.approx(0.6)
    assert value("fwt", matrix(changed(2, 2, NO))) is None
    assert value("learning_gain", matrix(changed(2, 2, NO))) is not None
    assert without_row0.missing() == []


def test_ends_only_runs_promise_last_row_and_diagonal():
    sparse = matrix(changed(2, 0, NO), past="ends")
    assert sparse.missing() == []
    unfinished = matrix([*FULL[:3], [NO, 0.7, 0.6]], past="ends")
    assert unfinished.missing() == [(3, "a")]
    assert value("bwt", sparse) == pytest.approx(-0.25)
    for name in ("forgetting", "mean_op", "triangle_mean", "op_curve"):
        assert value(name, sparse) is None


def test_schedules():
    empty = [NO] * 3
    prompting = matrix([FULL[0], empty, empty, empty], schedule="none")
    joint = matrix([empty, empty, empty, FULL[3]], schedule="joint")
    single = matrix([FULL[0], [0.8, NO, NO], [NO, 0.9, NO], [NO, NO, 0.7]], schedule="single")
    assert value("op", prompting) == pytest.approx(0.2)
    assert value("op", joint) == pytest.approx(0.6)
    assert value("op", single) == value("learning_accuracy", single) == pytest.approx(0.8)
    assert value("learning_gain", single) == pytest.approx(0.6)
    for run in (prompting, joint, single):
        assert run.missing() == []
        assert value("bwt", run) is value("forgetting", run) is value("mean_op", run) is None
    assert value("learning_accuracy", prompting) is value("learning_accuracy", joint) is None
    assert matrix([empty] * 4, schedule="joint").missing() == [(3, "a"), (3, "b"), (3, "c")]


def test_intransigence_and_normalised_op():
    assert measures.intransigence(matrix(), [0.9, 0.9, 0.9]) == pytest.approx(0.9 - 2.3 / 3)
    normalised = measures.op_normalised(matrix(), [0.9, 0.9, 0.7], [0.1, 0.5, 0.2])
    assert normalised == pytest.approx((0.4 / 0.8 + 0.2 / 0.4 + 0.4 / 0.5) / 3)
    with pytest.raises(DataError, match="'b'"):
        measures.op_normalised(matrix(), [0.9, 0.5, 0.7], [0.1, 0.5, 0.2])
    with pytest.raises(DataError, match="3 tasks"):
        measures.intransigence(matrix(), [0.9])


def test_item_errors_by_hand():
    errors = [[0.01, 0.02, 0.03], [0.04, NO, NO], [0.05, 0.06, NO], [0.07, 0.08, 0.09]]
    scores = matrix(stderr=errors)
    assert measures.MEASURES["op"].of(scores).item_error == pytest.approx(
        math.sqrt(0.07**2 + 0.08**2 + 0.09**2) / 3
    )
    assert measures.MEASURES["bwt"].of(scores).item_error == pytest.approx(
        math.sqrt(0.07**2 + 0.04**2 + 0.08**2 + 0.06**2) / 2
    )
    # Weights of mean_op for task a: 1/3, 1/6, 1/9; b: 1/6, 1/9; c: 1/9. Within a task they add up.
    parts = 0.04 / 3 + 0.05 / 6 + 0.07 / 9, 0.06 / 6 + 0.08 / 9, 0.09 / 9
    assert measures.MEASURES["mean_op"].of(scores).item_error == pytest.approx(math.hypot(*parts))
    assert measures.MEASURES["fwt"].of(scores).item_error is None, "R[1,b] has no error"
    assert measures.MEASURES["op"].of(matrix()).item_error is None


def test_a_task_that_is_visited_again_has_one_test_set():
    """The last row scores one model twice on the items of `a`: these errors add up."""
    rows = [[NO] * 3, [0.8, NO, NO], [0.6, 0.9, NO], [0.7, 0.8, 0.7]]
    errors = [[NO] * 3, [0.04, NO, NO], [0.05, 0.06, NO], [0.07, 0.08, 0.07]]
    scores = matrix(rows, tasks=["a", "b", "a#2"], stderr=errors)
    assert measures.MEASURES["op"].of(scores).item_error == pytest.approx(
        math.hypot(0.07 + 0.07, 0.08) / 3
    )


def test_clipped_gains_add_no_error():
    errors = [[0.01] * 3] * 4
    clipped = measures.MEASURES["bwt_clipped"].of(matrix(changed(3, 0, 1.0), stderr=errors))
    assert clipped.item_error == pytest.approx(math.hypot(0.01, 0.01) / 3)


def test_binomial_stderr():
    assert binomial_stderr(0.5, 100) == pytest.approx(0.05)
    assert binomial_stderr(0.9, 10) == pytest.approx(0.3 / 10**0.5)
    # Wilson's interval at one standard error for 10 of 10 is 10/11 to 1.
    assert binomial_stderr(1.0, 10) == pytest.approx((1 - 10 / 11) / 2)


def test_malformed_matrices_are_refused():
    with pytest.raises(DataError, match="needs 4 rows"):
        matrix(FULL[:3])
    with pytest.raises(ConfigError, match="schedule 'parallel'"):
        matrix(schedule="parallel")
    with pytest.raises(DataError, match="at least one task"):
        ScoreMatrix.from_cells([], {})
