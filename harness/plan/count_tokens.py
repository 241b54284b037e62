"""Helper process: count tokens, which needs transformers.

transformers imports torch where it finds it, which takes three times as long as all else here and
is not needed for a tokenizer.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config import HarnessConfig, from_plain
from harness.config.plain import plain, typed
from harness.store.helper import answer
from harness.store.records import Demonstrations, Json

if TYPE_CHECKING:
    from harness.data.encoding import PromptFormat


@dataclass(frozen=True)
class Request:
    """Rows to count, the task whose limits cut them, and what stands before their prompts."""

    data: str
    task: str
    shown: Demonstrations | None = None


@dataclass(frozen=True)
class Count:
    """Rows, tokens of one epoch under the task's limits, the uncut length of the longest prompt
    with its demonstrations (0 where it was not asked for), and rows whose prompt or answer is cut.
    """

    rows: int
    tokens: int
    longest_prompt: int = 0
    cut_prompts: int = 0
    cut_answers: int = 0


def count_tokens(asked: Json) -> list[Json]:
    """{"config", "requests": Requests} -> the Count of each request."""
    config = from_plain(asked["config"])
    if not config.model.trust_remote_code:  # a tokenizer that a model ships may import anything
        sys.modules["torch"] = None  # type: ignore[assignment]
    from harness.models.loading import load_prompts

    prompts = load_prompts(config.model, config.model.path)
    requests = [typed(Request, request) for request in asked["requests"]]
    return [plain(_count(request, config, prompts)) for request in requests]


def _count(request: Request, config: HarnessConfig, prompts: "PromptFormat") -> Count:
    from harness.data.demonstrations import put_before
    from harness.data.rows import read_rows
    from harness.data.task_data import load_task_data

    path = Path(request.data)
    data = load_task_data(request.task, path, config.task[request.task], prompts)
    shown, longest = request.shown, 0
    if shown is not None:
        texts = [put_before(row["prompt"], shown, prompts) for row in read_rows(path)]
        longest = max(len(prompts.prompt_ids(text)) for text in texts)
    cut = data.truncation()
    rows = len(data.examples)
    cut_rows = (round(cut[what] * rows) for what in ("prompt", "answer"))
    return Count(rows, data.tokens, longest, *cut_rows)


if __name__ == "__main__":
    answer(count_tokens)
