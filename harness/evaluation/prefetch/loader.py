"""Helper process: load lm-eval tasks once, which caches their data."""

import os

from harness.evaluation.prefetch.nltk_data import download_folder, fetch, folder_of
from harness.store.helper import answer


def load_tasks(asked: dict[str, list[str]]) -> dict[str, str]:
    """{task: nltk resources it scores with} -> {task: why it cannot be loaded} of those that fail;
    what fails is told, not raised."""
    failed = {name: _missing_resource(resources) for name, resources in asked.items()}
    failed |= _load([name for name, reason in failed.items() if reason is None])
    return {name: reason for name, reason in failed.items() if reason}


def _missing_resource(resources: list[str]) -> str | None:
    """Find or fetch nltk resources, before anything slow is imported."""
    for resource in resources:
        if folder_of(resource) is None and not os.environ.get("HF_HUB_OFFLINE"):
            fetch(resource)
        if folder_of(resource) is None:
            return f"nltk's {resource} is not in NLTK_DATA={download_folder()}"
    return None


def _load(names: list[str]) -> dict[str, str]:
    """Load tasks; returns the reason of each that fails."""
    if not names:
        return {}
    from lm_eval.tasks import TaskManager

    manager, failed = TaskManager(), {}
    for name in names:
        if name not in manager.all_tasks:
            failed[name] = "lm-eval has no such task"
            continue
        try:
            manager.load([name])
        except Exception as error:  # of datasets, of the hub, of the task's own code
            failed[name] = _reason(error)
    return failed


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:200] or type(error).__name__


if __name__ == "__main__":
    answer(load_tasks)
