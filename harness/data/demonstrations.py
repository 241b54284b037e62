"""Solved examples in front of a prompt (in-context learning); imports no torch."""

import random
from typing import TYPE_CHECKING, Any

from harness.config import DemonstrationSource, PromptingConfig, PromptStyle, TaskConfig
from harness.data.randomness import derive_seed
from harness.data.rows import Row
from harness.store.records import Demonstrations

if TYPE_CHECKING:
    from harness.data.encoding import PromptFormat


BETWEEN = "\n\n"
BETWEEN_TOKENS = 2
# A task with more different answers than this has no labels to draw in equal numbers.
MOST_LABELS = 5


def put_before(prompt: str, shown: Demonstrations, prompts: "PromptFormat") -> str:
    """The whole prompt of an item, `shown` before it; `prompts` counts its tokens."""
    rows = list(shown.rows)
    if shown.max_prompt_tokens is None or not rows:
        return with_demonstrations(prompt, rows, shown.instruction)
    head = shown.instruction or ""
    room = shown.max_prompt_tokens - prompts.count(head) - BETWEEN_TOKENS * len(rows)
    share = max(1, room // (2 * len(rows)))
    rows = [_shortened(row, head, share, prompts) for row in rows]
    used = sum(prompts.count(row["prompt"] + row["answer"]) for row in rows)
    question = prompts.last(prompt.removeprefix(head), max(1, room - used))
    return with_demonstrations(question, rows, shown.instruction)


def _shortened(row: Row, head: str, share: int, prompts: "PromptFormat") -> Row:
    """A solved row in `share` tokens: the answer, and the end of the prompt that fits beside it."""
    answer = prompts.first(row["answer"], share)
    left = share - prompts.count(answer)
    asked = row["prompt"].removeprefix(head)
    return {"prompt": prompts.last(asked, left) if left > 0 else "", "answer": answer}


def demonstration_split(task: TaskConfig, prompting: PromptingConfig) -> DemonstrationSource:
    """The split that a task's solved rows come from."""
    return task.demonstration_split or prompting.source


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
