"""The text of a stage's own rows, for strategies that rewrite it."""

from dataclasses import replace

from harness.data.encoding import Example, PromptFormat
from harness.data.rows import read_rows
from harness.errors import StageFailed
from harness.train.job import TrainJob


class OwnTexts:
    """Reads the files that the stage's examples came from, when it is first asked."""

    def __init__(self, job: TrainJob, prompts: PromptFormat) -> None:
        self._files = {part.task: part.data for part in job.parts}
        self._tasks, self._prompts = job.config.task, prompts

    def of(self, row: Example) -> tuple[str, str]:
        if row.id is None or row.id.task not in self._files:
            raise StageFailed("only a stage's own rows have a text; this one has another origin")
        found = read_rows(self._files[row.id.task])[row.id.index]
        return found["prompt"], found["answer"]

    def encoded(self, row: Example, prompt: str, answer: str) -> Example:
        assert row.id is not None
        task = self._tasks[row.id.task]
        limits = (task.max_prompt_tokens, task.max_answer_tokens)
        return replace(self._prompts.example(prompt, answer, *limits), id=row.id)
