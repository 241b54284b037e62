"""What the anatomies read is what runs leave: steps that were taken, weights between stages, and
what was asked."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.config.compose.compose import load
from harness.models.weights.updates import layers
from harness.results.anatomy.line import lines
from harness.results.anatomy.relearning import relearned
from harness.results.items.prompts import prompts_of
from harness.results.schema import read_scores
from harness.run.parent import Outcome, execute
from harness.store.store import Store
from harness.store.work import EditWork, EvalWork, TrainWork

pytestmark = pytest.mark.distributed


@pytest.fixture
def run_of(tiny_run: list[str]):
    def run(*overrides: str) -> Outcome:
        return execute(load([*tiny_run, "train.max_steps=3", "eval.limit=2", *overrides]))

    return run


def test_the_last_stage_stops_early_and_no_other(run_of, tmp_path: Path) -> None:
    store = tmp_path / "store"
    again = ("sequence.recurrence=true", "sequence.tasks=[copy,count,copy]")
    for steps in (1, 2):
        done = run_of(*again, f"train.last_steps={steps}")
        folders = [store / "train" / node.key for node in done.plan.of(TrainWork)]
        logs = [json.loads((folder / "training.json").read_text()) for folder in folders]
        assert [len(log["steps"]) for log in logs] == [3, 3, steps]
        assert logs[-1]["cost"]["optimizer_steps"] == steps
    [found] = relearned(read_scores(done.table).rows)
    assert (found.task, sorted(found.again)) == ("copy", [0, 1, 2])


def test_a_point_on_the_line_and_what_was_asked(run_of, tiny_data: Path, tmp_path: Path) -> None:
    for alpha in (0, 0.25, 1):
        done = run_of("method=between", f"method.between.alpha={alpha}")
        if alpha == 0.25:
            [edit] = done.plan.of(EditWork)
            folders = [tmp_path / f"store/{ref.kind}/{ref.key}" for ref in edit.tuned]
            first, last = (load_file(folder / "model.safetensors") for folder in folders)
            made = load_file(tmp_path / f"store/edit/{edit.key}/model.safetensors")
            for name, value in made.items():
                wanted = 0.75 * first[name] + 0.25 * last[name]
                assert torch.allclose(value, wanted, atol=1e-7)
            moved = sum(layer.norm**2 for layer in layers(*folders))
            expected = sum(float((last[n] - first[n]).double().square().sum()) for n in first)
            assert moved == pytest.approx(expected, rel=1e-5)
    store = Store(tmp_path / "store")
    found = {line.benchmark: line for line in lines(read_scores(done.table).rows, store)}
    assert set(found) == {"copy", "count"}
    assert sorted(found["copy"].losses) == [0.0, 0.25, 1.0]
    asked = [node for node in done.plan.of(EvalWork) if node.benchmark.name == "copy"]
    rows = json.loads((tiny_data / "copy" / "test.json").read_text())
    copies = {path.name for path in (store.root / "cache" / "suites").iterdir()}
    assert {f"{node.data.sha256}.json" for node in asked if node.data} <= copies
    assert prompts_of(store, asked[0].key) == {"": tuple(row["prompt"] for row in rows)}
