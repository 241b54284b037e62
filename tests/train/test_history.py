"""What strategies read of earlier tasks: rows with their names, and nothing that is in no key."""

from pathlib import Path

import pytest
from support.places import MICRO_MODEL

from harness.config.compose.compose import load
from harness.data.encoding import RowId
from harness.errors import StageFailed
from harness.models.loading import load_prompts
from harness.train.history import TaskHistory
from harness.train.job import TrainJob


@pytest.fixture
def job(tiny_run: list[str], tiny_data: Path) -> TrainJob:
    earlier = [("copy", tiny_data / "copy" / "train.json")]
    return TrainJob(load(tiny_run), 2, "count", [], 1e-3, MICRO_MODEL, earlier, True)


def history(job: TrainJob, rows: bool, files: set[str]) -> TaskHistory:
    return TaskHistory(job, load_prompts(job.config.model, MICRO_MODEL), rows, files)


def test_rows_have_their_task_and_place(job: TrainJob, tiny_data: Path) -> None:
    file = str(tiny_data / "count" / "train.json")
    found = history(job, True, {file})
    assert [row.id for row in found.load("copy").examples] == [RowId("copy", i) for i in range(33)]
    assert found.load_file(file).examples[3].id == RowId("extra", 3)


def test_what_is_in_no_content_key_is_not_read(job: TrainJob, tiny_data: Path) -> None:
    found = history(job, False, set())
    with pytest.raises(StageFailed, match=r"rows of copy are read .* does not say rows=True"):
        found.load("copy")
    with pytest.raises(StageFailed, match="is read by a strategy that has it in no file parameter"):
        found.load_file(str(tiny_data / "count" / "train.json"))
