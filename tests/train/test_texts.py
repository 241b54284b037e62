"""The text behind a stage's own rows, as strategies read and rewrite it."""

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from harness.config import TaskConfig
from harness.config.places import PACKAGE
from harness.data.encoding import Example, PromptFormat, RowId
from harness.data.task_data import load_task_data
from harness.errors import StageFailed
from harness.methods import Stage
from harness.train.job import Part
from harness.train.texts import OwnTexts

ROWS = [{"prompt": "one?", "answer": "1"}, {"prompt": "two?", "answer": "2"}]


@pytest.fixture
def texts(tmp_path: Path) -> tuple[OwnTexts, list[Example]]:
    """Of two rows, with limits of 6 tokens for prompts and 3 for answers."""
    file = tmp_path / "train.json"
    file.write_text(json.dumps(ROWS))
    task = TaskConfig(
        folder="t", scorer="exact", headline="accuracy", max_prompt_tokens=6, max_answer_tokens=3
    )
    tokenizer = AutoTokenizer.from_pretrained(PACKAGE / "data" / "micro" / "model")
    prompts = PromptFormat(tokenizer, tokenizer.eos_token_id)
    job = type("Job", (), {"parts": [Part("t", file, 1)]})()
    job.config = type("Config", (), {"task": {"t": task}})()
    return OwnTexts(job, prompts), load_task_data("t", file, task, prompts).examples


def test_a_row_is_told_and_encoded_as_training_encodes_it(texts) -> None:
    own, rows = texts
    assert [own.of(row) for row in rows] == [("one?", "1"), ("two?", "2")]
    assert own.encoded(rows[0], "two?", "2").answer_ids == rows[1].answer_ids
    assert own.encoded(rows[0], "two?", "2").prompt_ids == rows[1].prompt_ids
    assert own.encoded(rows[0], "two?", "2").id == RowId("t", 0)
    assert own.encoded(rows[0], "two? " * 9, "2").prompt_cut
    assert own.encoded(rows[0], "two?", "2 " * 9).answer_cut


def test_rows_of_another_origin_have_none(texts) -> None:
    own, _ = texts
    for row in (Example([1], [2]), Example([1], [2], id=RowId("earlier", 0))):
        with pytest.raises(StageFailed, match="only a stage's own rows have a text"):
            own.of(row)


def test_there_are_none_before_the_model_runs() -> None:
    with pytest.raises(RuntimeError, match="from `data` on"):
        _ = Stage("t", 1, 0, None, None).texts
