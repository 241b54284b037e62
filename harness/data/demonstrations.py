"""Solved examples in front of a prompt (in-context learning); imports no torch."""

import random
from typing import Any

from harness.config import PromptingConfig
from harness.data.files import Row
from harness.data.order import derive_seed

BETWEEN = "\n\n"


def draw_demonstrations(
    rows: list[Row], task: str, prompting: PromptingConfig
) -> list[dict[str, Any]]:
    """A fixed draw of training rows, the same for every prompt of the task."""
    source = random.Random(derive_seed("demonstrations", prompting.seed, task))
    count = min(prompting.demonstrations, len(rows))
    chosen = sorted(source.sample(range(len(rows)), count))
    return [{"prompt": rows[i]["prompt"], "answer": rows[i]["answer"]} for i in chosen]


def with_demonstrations(prompt: str, shown: list[dict[str, Any]]) -> str:
    """The examples with their answers, a blank line between, then the prompt."""
    solved = [item["prompt"] + item["answer"] for item in shown]
    return BETWEEN.join([*solved, prompt])
