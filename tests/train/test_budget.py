"""Steps under train.match, counted by hand and by walking the batches."""

import pytest

from harness.config import Match, TrainConfig
from harness.data.encoding import Example
from harness.data.order import batch_indices
from harness.data.task_data import TaskData
from harness.methods.stage import Phase
from harness.train.budget import phase_steps


def rows(name: str, count: int, length: int) -> TaskData:
    return TaskData(name, [Example([0] * (length - 1), [1])] * count)


def train(match: Match, max_steps: int | None = None) -> TrainConfig:
    return TrainConfig(batch_size=4, learning_rate=1.0, match=match, max_steps=max_steps)


OWN = rows("own", 20, 10)  # 5 steps of 40 tokens an epoch
MIXED = TaskData("own", OWN.examples + rows("old", 20, 30).examples)  # 10 steps, 800 tokens
PASS = Phase(rows("old", 8, 30), 1)  # 2 steps, 240 tokens


@pytest.mark.parametrize(
    ("match", "phases", "steps"),
    [
        (Match.epochs, [Phase(OWN, 2)], [10]),
        (Match.steps, [Phase(OWN, 2)], [10]),
        (Match.tokens, [Phase(OWN, 2)], [10]),
        (Match.epochs, [Phase(MIXED, 2), PASS], [20, 2]),
        (Match.steps, [Phase(MIXED, 2)], [10]),
        (Match.steps, [Phase(OWN, 2), PASS], [8, 2]),  # 10 steps in the proportion 10 : 2
    ],
)
def test_hand_counted(match: Match, phases: list[Phase], steps: list[int]) -> None:
    assert phase_steps(phases, OWN, 2, train(match), 0) == steps


def test_tokens_are_matched_to_half_a_step() -> None:
    (steps,) = phase_steps([Phase(MIXED, 2)], OWN, 2, train(Match.tokens), 0)
    widths = [
        sum(len(MIXED.examples[i]) for i in batch_indices(0, "own", step, 40, 4))
        for step in range(20)
    ]
    assert abs(sum(widths[:steps]) - 2 * OWN.tokens) <= max(widths) / 2


def test_max_steps_still_holds() -> None:
    assert phase_steps([Phase(MIXED, 2)], OWN, 2, train(Match.steps, 3), 0) == [3]
    assert phase_steps([Phase(OWN, 2), PASS], OWN, 2, train(Match.epochs, 11), 0) == [9, 2]
    assert phase_steps([Phase(OWN, 2), PASS], OWN, 2, train(Match.epochs, 3), 0) == [2, 1]
    assert phase_steps([Phase(OWN, 2), PASS], OWN, 2, train(Match.epochs, 1), 0) == [1, 0]
