"""The tasks of a run in their order, and what follows from the order alone."""

import random

from harness.config import HarnessConfig, Order
from harness.config.ranges import require_range
from harness.errors import ConfigError, suggest


def task_order(config: HarnessConfig) -> list[str]:
    """Task names by stage (stage t trains item t - 1). Raises ConfigError."""
    sequence = config.sequence
    names = list(sequence.tasks) if sequence.tasks is not None else list(config.task)
    if not names:
        raise ConfigError("the sequence has no task; choose some, for example task=[micro_stance]")
    for name in names:
        if name not in config.task:
            known = f" (loaded: {', '.join(config.task)}; task=[...] loads others)"
            raise ConfigError(
                f"sequence.tasks: unknown task '{name}'" + suggest(name, list(config.task)) + known
            )
        if names.count(name) > 1 and not sequence.recurrence:
            raise ConfigError(
                f"sequence.tasks: '{name}' is listed twice; set sequence.recurrence=true to revisit"
            )
    require_range("sequence.recurring", sequence.recurring, 1)
    if sequence.order is Order.reversed:
        names.reverse()
    order, source = list[str](), random.Random(sequence.order_seed)
    for _ in range(sequence.recurring):
        if sequence.order is Order.random:
            source.shuffle(names)
        order += names
    return order


def widest_limits(config: HarnessConfig) -> tuple[int, int]:
    """Most tokens of a prompt and of an answer among the sequence's tasks: the limits of rows that
    belong to no task."""
    tasks = [config.task[name] for name in task_order(config)]
    return max(t.max_prompt_tokens for t in tasks), max(t.max_answer_tokens for t in tasks)


def column_names(order: list[str]) -> list[str]:
    """Column of each visit: the task's name, with #2, #3, ... where it is visited again."""
    columns = []
    for index, name in enumerate(order):
        visit = order[: index + 1].count(name)
        columns.append(name if visit == 1 else f"{name}#{visit}")
    return columns
