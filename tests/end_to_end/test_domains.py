"""Mathematics, law and code in turn, from made-up files of their publishers to scores."""

import json
from pathlib import Path

import pytest
from support.fence import require_fence
from support.standard_files import prepared

from harness.config.compose.compose import load
from harness.run.parent import execute

pytestmark = pytest.mark.distributed
NAMES = ["math", "law", "code"]


def test_each_is_scored_by_its_own_scorer(
    tiny_model: Path, tiny_conf: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_fence()
    store = tmp_path / "store"
    monkeypatch.setenv("STANDARD_DATA", str(prepared(tmp_path, NAMES, 8)))

    run = [word for word in tiny_conf if not word.startswith(("task=", "hydra"))]
    run += ["sequence=domains", f"model.path={tiny_model}", "method=seqft", "train.max_steps=1"]
    run += ["eval.limit=2", "eval.stage0=false", "eval.past=ends"]
    run += [f"store.root={store}", f"store.results={tmp_path / 'results'}"]
    # The model has 512 positions.
    run += [f"task.{name}.max_prompt_tokens=400" for name in NAMES]
    run += [f"task.{name}.max_answer_tokens=8" for name in NAMES]
    plan = execute(load(run)).plan

    metrics = {}
    for cell in plan.cells:
        told = json.loads((store / "eval" / cell.key / "scores.json").read_text())
        metrics[cell.benchmark] = {score["metric"]: score["n"] for score in told}
        assert cell.headline in metrics[cell.benchmark]
    lenient = {"accuracy": 2, "accuracy_lenient": 2}
    assert metrics == {"math": lenient, "law": lenient, "code": {"pass_at_1": 2}}
