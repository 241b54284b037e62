"""Solved examples in front of a prompt (in-context learning); imports no torch."""

import random
from typing import Any

from harness.config import PromptingConfig, PromptStyle, TaskConfig
from harness.data.files import Row
from harness.data.order import derive_seed

BETWEEN = "\n\n"
# Above so many different answers a task has no labels to draw in equal numbers.
MOST_LABELS = 5


def draw_demonstrations(
    rows: list[Row], name: str, task: TaskConfig, prompting: PromptingConfig
) -> list[dict[str, Any]]:
    """A fixed draw of rows, the same for every prompt of the task.

    style=trace draws the labels of a classification task in equal numbers, as TRACE (arXiv
    2310.06762, in-context baseline) does; a row drawn from the test split may be the very item
    that is asked.
    """
    source = random.Random(derive_seed("demonstrations", prompting.seed, name))
    count = min(prompting.demonstrations, len(rows))
    if task.max_demonstrations is not None:
        count = min(count, task.max_demonstrations)
    if prompting.style is PromptStyle.trace:
        chosen = _balanced(rows, count, source)
    else:
        chosen = sorted(source.sample(range(len(rows)), count))
    return [{"prompt": rows[i]["prompt"], "answer": rows[i]["answer"]} for i in chosen]


def _balanced(rows: list[Row], count: int, source: random.Random) -> list[int]:
    labels = {row["answer"] for row in rows}
    order = source.sample(range(len(rows)), len(rows))
    if not 1 < len(labels) <= MOST_LABELS:
        return order[:count]
    most = -(-count // len(labels))
    taken: list[int] = []
    for index in order:
        same = sum(rows[i]["answer"] == rows[index]["answer"] for i in taken)
        if same < most and len(taken) < count:
            taken.append(index)
    return taken


def with_demonstrations(
    prompt: str, shown: list[dict[str, Any]], instruction: str | None = None
) -> str:
    """The examples with their answers, a blank line between, then the prompt.

    An `instruction` that prompts start with is said once, before a line that announces examples.
    """
    if not shown:
        return prompt
    if instruction is None:
        return BETWEEN.join([*(item["prompt"] + item["answer"] for item in shown), prompt])
    rest = [item["prompt"].removeprefix(instruction) + item["answer"] for item in shown]
    head = f"{instruction}Solve the last one like the examples before it.\nExamples:\n"
    return head + BETWEEN.join([*rest, prompt.removeprefix(instruction)])
