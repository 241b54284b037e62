"""Every experiment of TRACE's tables and leagues composes, validates and is planned without its
model."""

from pathlib import Path

import pytest
from support.command import harness, refused
from support.places import REPOSITORY
from support.raw_files import write_rows

from harness.config import Precision
from harness.config.compose.compose import load
from harness.config.compose.sweep import expand
from harness.plan.checks.run import validate
from harness.plan.planner import make_plan
from harness.store.keys import FileHashes

# Jobs of each sweep, counted in the paper: models x methods, data x epochs, and so on.
JOBS = {
    "table1": 4 * 4,
    "table2": 4 * 3,
    "table3": 2 * 6,
    "table5": 2 * 3,
    "table6": 4,
    "figure4": 2,
    "order2": 3,
    "volume": 3 * 4,
    "league_5000": 6,
    "league_reasoning": 5,
    "league_500": 5,
}
SIZES = ("500", "1000", "5000", "reasoning")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every size of the data with 20 rows a split, three labels."""
    root = tmp_path_factory.mktemp("trace")
    plain = load(["sequence=trace", "data=trace", "suite=[]", "data.root=x"]).task
    reasoned = load(["sequence=trace_rcl", "suite=[]", "data.root=x"]).task
    for size in SIZES:
        for name, task in (reasoned if size == "reasoning" else plain).items():
            head = task.instruction or ""
            for split in ("train", "eval", "test"):
                rows = [{"prompt": f"{head}{split} {i}", "answer": "ABC"[i % 3]} for i in range(20)]
                write_rows(root / size / name / f"{split}.json", rows)
        write_rows(root / size / "Lima" / "train.json", [{"prompt": "Hello", "answer": "Hi"}])
    return root


def test_every_experiment_is_listed() -> None:
    found = {path.stem for path in (REPOSITORY / "conf/experiment/trace").glob("*.yaml")}
    assert found == set(JOBS)


def test_the_reasoning_league_has_a_second_order_with_epochs_of_its_own() -> None:
    first = load(["experiment=trace/league_reasoning", "data.root=x"])
    order = ["sequence=trace_rcl_order2", "protocol=seekr_order2", "data.root=x"]
    second = load(["experiment=trace/league_reasoning", *order])
    assert [first.train.task_epochs[name] for name in first.task] == [5, 5, 5, 5, 5, 5, 10, 5]
    assert [second.train.task_epochs[name] for name in second.task] == [10, 10, 10, 5, 5, 5, 5, 5]
    assert first.protocol == second.protocol == "seekr"


@pytest.mark.parametrize("name", JOBS)
def test_it_composes_and_plans(
    name: str, archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACE_DATA", str(archive))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    jobs = expand([f"experiment=trace/{name}", "suite=[]"], multirun=True)
    assert len(jobs) == JOBS[name]
    runs = set()
    for job in jobs:
        config = load([*job, f"store.root={tmp_path}"])
        validate(config)
        plan = make_plan(config, FileHashes())
        assert config.experiment == f"trace/{name}"
        assert (config.engine.zero_stage, config.engine.precision) == (2, Precision.bf16)
        assert plan.nodes
        runs.add(plan.run["run"])
    assert len(runs) == len(jobs)


def test_a_sweep_is_summed_with_shared_work_counted_once(
    archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRACE_DATA", str(archive))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # for what reads it in processes of its own
    done = harness("plan", "-m", "experiment=trace/order2", f"store.root={tmp_path / 'store'}")
    assert done.returncode == 0, done.stderr
    assert "to fetch before this can run: model.path: meta-llama/Llama-2-7b-chat-hf" in done.stdout
    # 3 methods train 8 stages and score 36 cells each; the 8 cells of stage 0 are shared.
    assert "3 jobs, 140 nodes to do (shared ones once)" in done.stdout
    assert "GB of checkpoints" in done.stdout.splitlines()[-1]


def test_reasoning_tasks_refuse_plain_data(
    archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TRACE_DATA", raising=False)
    places = [f"data.root={archive / '500'}", f"store.root={tmp_path / 'store'}", "suite=[]"]
    places.append("train.pack_tokens=2048")
    line = refused("plan", "sequence=trace_rcl", *places)
    assert "task.C-STANCE.instruction: prompts of" in line
    assert "(reasoning)" in line


def test_anatomies_train_what_their_jobs_share_once(tmp_path: Path) -> None:
    def nodes(experiment: str) -> list[set[str]]:
        jobs = expand([f"experiment={experiment}"], multirun=True)
        configs = [load([*job, f"store.root={tmp_path}"]) for job in jobs]
        made = [node for c in configs for node in make_plan(c, FileHashes()).nodes]
        return [{node.key for node in made if node.kind == kind} for kind in ("train", "edit")]

    trained, edited = nodes("relearning")
    # Eight stages of the sequence, then eight lengths of the ninth and of the task alone.
    assert (len(trained), len(edited)) == (8 + 8 + 8, 0)
    sequence, points = nodes("line")
    assert (len(sequence), len(points)) == (8, 9)
    assert sequence < trained
