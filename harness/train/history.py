"""The training data of earlier tasks, for strategies."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from harness.config.sequence import widest_limits
from harness.data.encoding import PromptFormat
from harness.data.task_data import TaskData, load_task_data
from harness.errors import StageFailed
from harness.train.job import TrainJob


class TaskHistory:
    """Training data of the tasks before, for strategies, as far as it entered the content key.

    rows: may training rows of earlier tasks be read? files: which files may.
    """

    def __init__(
        self, job: TrainJob, prompts: PromptFormat, rows: bool, files: Collection[str]
    ) -> None:
        self.tasks = [task for task, _ in job.earlier]
        self._files = dict(job.earlier)
        self._job, self._prompts = job, prompts
        self._rows, self._extra = rows, files

    def load(self, task: str) -> TaskData:
        if not self._rows:
            raise StageFailed(
                f"rows of {task} are read by a strategy whose needs() does not say rows=True"
            )
        settings = self._job.config.task[task]
        return load_task_data(task, self._files[task], settings, self._prompts)

    def load_file(self, path: str) -> TaskData:
        """Rows of a file, of no task's format. Named alike wherever the file lies: the name decides
        what is drawn and in which order."""
        if path not in self._extra:
            raise StageFailed(f"{path} is read by a strategy that has it in no file parameter")
        config = self._job.config
        prompt, answer = widest_limits(config)
        limits = replace(
            next(iter(config.task.values())), max_prompt_tokens=prompt, max_answer_tokens=answer
        )
        return load_task_data("extra", Path(path), limits, self._prompts)
