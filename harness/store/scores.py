"""What a score is: its units and the status of its row."""

SCORE_UNIT = "score"
JUDGE_POINTS = "judge_points"  # unit of a judge's net win, -50..50
DONE = "done"


def is_score(unit: str | None) -> bool:
    """Whether values of this unit are scores in 0..1."""
    return unit is None or unit == SCORE_UNIT
