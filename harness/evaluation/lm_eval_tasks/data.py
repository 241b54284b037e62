"""The rows of a task, from the folder that $TRACE_ROOT names."""

import os
from pathlib import Path
from typing import Any

from datasets import Dataset

from harness.data.rows import read_rows, split_path
from harness.errors import DataError


def rows(task: str, **about: Any) -> dict[str, Dataset]:
    """The test split of $TRACE_ROOT/<task>; lm-eval calls it with the task's keyword arguments."""
    root = os.environ.get("TRACE_ROOT")
    if not root:
        raise DataError(
            "TRACE_ROOT is not set: the folder that holds C-STANCE, FOMC and the others"
        )
    return {"test": Dataset.from_list(read_rows(Path(split_path(root, task, "test"))))}
