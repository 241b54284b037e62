"""A task's training split, encoded, and the share of it that did not fit."""

from dataclasses import dataclass, replace
from pathlib import Path

from harness.config import TaskConfig
from harness.data.encoding import Example, PromptFormat, RowId
from harness.data.rows import read_rows


@dataclass
class TaskData:
    """Encoded rows of one split of one task."""

    name: str
    examples: list[Example]

    @property
    def tokens(self) -> int:
        """Tokens of one epoch, prompts and answers."""
        return sum(len(example) for example in self.examples)

    @property
    def answer_tokens(self) -> int:
        """Tokens of one epoch that carry loss."""
        return sum(len(example.answer_ids) for example in self.examples)

    def truncation(self) -> dict[str, float]:
        """Share of rows whose prompt or answer was cut."""
        count = len(self.examples)
        return {
            "prompt": sum(example.prompt_cut for example in self.examples) / count,
            "answer": sum(example.answer_cut for example in self.examples) / count,
        }


def load_task_data(name: str, path: Path, task: TaskConfig, prompts: PromptFormat) -> TaskData:
    """Read and encode one split with the task's limits; rows are identified by `name` and place."""
    limits = (task.max_prompt_tokens, task.max_answer_tokens)
    encoded = (prompts.example(row["prompt"], row["answer"], *limits) for row in read_rows(path))
    return TaskData(name, [replace(e, id=RowId(name, i)) for i, e in enumerate(encoded)])
