"""Helper process: load lm-eval tasks once, which caches their data. JSON on stdin and stdout.

Reads {task: [nltk resources it scores with]}; prints {task: why it cannot be loaded} as its last
line.
"""

import json
import os
import sys

from harness.offline.nltk_data import download_folder, fetch, folder_of


def main() -> None:
    """Load every task; what fails is told, not raised."""
    from lm_eval.tasks import TaskManager

    asked: dict[str, list[str]] = json.load(sys.stdin)
    manager = TaskManager()
    failed = {name: _load(manager, name, resources) for name, resources in asked.items()}
    print(json.dumps({name: reason for name, reason in failed.items() if reason}))


def _load(manager: object, name: str, resources: list[str]) -> str | None:
    """Load one task and what it scores with; returns the reason where that fails."""
    for resource in resources:
        if folder_of(resource) is None and not os.environ.get("HF_HUB_OFFLINE"):
            fetch(resource)
        if folder_of(resource) is None:
            return f"nltk's {resource} is not in NLTK_DATA={download_folder()}"
    try:
        manager.load([name])  # type: ignore[attr-defined]
    except Exception as error:  # of datasets, of the hub, of the task's own code
        return _reason(error)
    return None


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:200] or type(error).__name__


if __name__ == "__main__":
    main()
