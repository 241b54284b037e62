"""Fifteen tasks from publishers' files of made-up rows to a whole table, killed once on the way."""

import csv
import os
import signal
from pathlib import Path

import pytest
from support.processes import ranks_of, started, when
from support.standard_files import LONG, prepared

pytestmark = [pytest.mark.distributed, pytest.mark.slow]


def test_the_long_sequence(
    tiny_model: Path, tiny_conf: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    monkeypatch.setenv("STANDARD_DATA", str(prepared(tmp_path, LONG, 16)))

    run = [word for word in tiny_conf if not word.startswith(("task=", "hydra"))]
    run += ["sequence=long_order4", f"model.path={tiny_model}", "method=seqft", "run.retries=0"]
    run += ["train.max_steps=2", "eval.limit=2", "eval.past=ends", "eval.stage0=false"]
    run += [f"store.root={store}", f"store.results={tmp_path / 'results'}"]
    # The model has 512 positions, and its tokenizer takes letters for many of these words.
    run += [f"task.{name}.max_prompt_tokens=256" for name in LONG]

    def trained() -> dict[Path, int]:
        """Logs of whole stages, and when each was written."""
        found = store.glob("train/[!.]*/training.json")
        return {path: path.stat().st_mtime_ns for path in found}

    parent = started(*run)
    when(lambda: len(trained()) >= 5, parent)
    for rank in ranks_of(store):
        os.kill(rank, signal.SIGKILL)
    parent.kill()
    parent.wait(60)
    before = trained()
    assert 5 <= len(before) < 15

    again = started(*run)
    told = again.communicate(timeout=600)[1]
    assert again.returncode == 0, told
    assert len(trained()) == 15
    assert before.items() <= trained().items()  # what was whole was not done again
    with (tmp_path / "results/scores.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == "accuracy"]
    cells = {(int(row["stage"]), row["benchmark"]) for row in rows}
    diagonal = {(stage, name) for stage, name in enumerate(LONG, 1)}
    assert cells == diagonal | {(15, name) for name in LONG}
