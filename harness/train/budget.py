"""What a task's training may spend, and what it did spend."""

from collections.abc import Sequence

from harness.config import Match, TrainConfig
from harness.data.order import batch_indices, steps_per_epoch
from harness.data.task_data import TaskData
from harness.methods.stage import Phase


def phase_steps(
    phases: Sequence[Phase], own: TaskData, epochs: int, train: TrainConfig, seed: int
) -> list[int]:
    """Optimizer steps of each phase.

    train.match=epochs: every phase runs its epochs. steps, tokens: all phases together take the
    steps, or the tokens, that the task's own rows take in its epochs, parted in proportion; so that
    a method which trains on more rows has no larger budget than sequential fine-tuning.
    train.max_steps parts its steps in the same way.
    """
    size = train.batch_size
    full = [phase.epochs * steps_per_epoch(len(phase.data.examples), size) for phase in phases]
    if train.match is Match.steps:
        full = _parted(epochs * steps_per_epoch(len(own.examples), size), full)
    elif train.match is Match.tokens:
        budget = epochs * own.tokens
        asked = sum(phase.epochs * phase.data.tokens for phase in phases)
        share = min(1.0, budget / asked)
        full = [
            _steps_for(phase, share * phase.epochs * phase.data.tokens, most, train, seed)
            for phase, most in zip(phases, full, strict=True)
        ]
    return full if train.max_steps is None else _parted(train.max_steps, full)


def _parted(budget: int, wanted: Sequence[int]) -> list[int]:
    """Whole shares of `budget`, never more than wanted: one each, the rest in proportion."""
    if sum(wanted) <= budget:
        return list(wanted)
    first = [1 if budget >= len(wanted) else 0] * len(wanted)
    more = [most - one for most, one in zip(wanted, first, strict=True)]
    rest = budget - sum(first)
    ends = [round(rest * sum(more[: i + 1]) / sum(more)) for i in range(len(more))]
    shares = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    return [one + share for one, share in zip(first, shares, strict=True)]


def _steps_for(phase: Phase, tokens: float, most: int, train: TrainConfig, seed: int) -> int:
    """The number of steps whose tokens come closest to `tokens`."""
    examples, seen = phase.data.examples, 0
    for step in range(most):
        rows = batch_indices(seed, phase.data.name, step, len(examples), train.batch_size)
        width = sum(len(examples[i]) for i in rows)
        if seen + width / 2 > tokens:
            return step
        seen += width
    return most
