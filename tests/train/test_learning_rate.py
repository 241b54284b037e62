"""The learning rate by hand-computed values."""

import pytest

from harness.config import LearningRateSchedule
from harness.train.learning_rate import learning_rate

CONSTANT, LINEAR, COSINE = LearningRateSchedule


def rates(schedule: LearningRateSchedule, warmup: float, total: int = 4) -> list[float]:
    return [learning_rate(step, total, 8.0, schedule, warmup) for step in range(total)]


def test_constant() -> None:
    assert rates(CONSTANT, 0.0) == [8, 8, 8, 8]


def test_warm_up_reaches_the_peak() -> None:
    assert rates(CONSTANT, 0.5) == [4, 8, 8, 8]


def test_linear_goes_to_zero() -> None:
    assert rates(LINEAR, 0.0) == [8, 6, 4, 2]


def test_linear_after_warm_up() -> None:
    assert rates(LINEAR, 0.25) == pytest.approx([8, 8, 16 / 3, 8 / 3])


def test_cosine_is_half_way_in_the_middle() -> None:
    assert rates(COSINE, 0.0) == pytest.approx([8, 4 + 4 * 2**-0.5, 4, 4 - 4 * 2**-0.5])
