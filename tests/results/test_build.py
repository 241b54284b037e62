"""The table is built from records and nodes; what is wrong in one run costs no other run a row."""

import json
import math
from pathlib import Path

import pytest

from harness.results.build import rebuild_table, run_scores, wrong_nodes
from harness.results.records import RunRecord, read_record, record_path, write_record
from harness.results.runs import load_runs
from harness.results.schema import read_scores
from harness.store.layout import DETAILS, SCORES, TRAINING
from harness.store.store import Store
from harness.store.work import Cell


def score(value, **changes):
    row = {"subtask": None, "metric": "accuracy", "filter": "none", "value": value, "unit": "score"}
    return {**row, "stderr": None, "n": 4, "higher_is_better": True, "floor": None, **changes}


def node(store, kind, key, model=None, versions=None, **files):
    about = {"label": key, "model": model or {"kind": "folder", "key": "m"}}
    about |= {"versions": versions} if versions else {}
    with store.writing(kind, key, about) as folder:
        for name, content in files.items():
            (folder / {"s": SCORES, "d": DETAILS, "t": TRAINING}[name]).write_text(
                json.dumps(content)
            )


def cell(key, stage=1, benchmark="a", **changes):
    about = {"suite": "target", "headline": "accuracy", "filter": "none", "unit": "score"}
    about |= {"trained_task": "a", "shots": 0, "split": "test", **changes}
    return Cell(stage=stage, benchmark=benchmark, key=key, **about)


def record(store, run, *cells, training=(), **changes):
    columns = {
        "run": run, "group": run, "settings": {}, "experiment": None, "model": "m",
        "sequence": "s", "data": "", "method": "seqft", "seed": 0, "schedule": "sequential",
        "past": "all", "protocol": None, "backend": "hf", "tasks": ["a"], **changes,
    }  # fmt: skip
    write_record(store, RunRecord(columns, list(cells), list(training)))


def change(store, **parts):
    """The record of the first run, with other parts."""
    path = record_path(store, "r1")
    path.write_text(json.dumps(json.loads(path.read_text()) | parts))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two runs of one task, each with one score; the node of the first is `bad`."""
    made = Store(tmp_path / "store")
    node(made, "eval", "bad", s=[score(0.5)])
    node(made, "eval", "good", s=[score(0.25)])
    record(made, "r1", cell("bad"))
    record(made, "r2", cell("good"))
    return made


def table(store, tmp_path):
    rebuilt = rebuild_table(store, tmp_path / "scores.csv")
    rows = read_scores(rebuilt.path).rows
    return {row["run"]: row["value"] for row in rows}, rebuilt.left_out


def test_two_good_runs(store, tmp_path):
    assert table(store, tmp_path) == ({"r1": 0.5, "r2": 0.25}, [])
    assert store.done("eval", "bad")


def test_a_row_tells_the_versions_that_made_its_node(store, tmp_path):
    made = {"python": "3.11", "torch": "2.13.0", "transformers": "5.23", "lm_eval": "0.4.13"}
    node(store, "eval", "new", versions=made, s=[score(0.75)])
    node(store, "train", "t1", versions=made, t={"cost": {"optimizer_steps": 3}})
    record(store, "r3", cell("new"), training=[{"stage": 1, "key": "t1"}])
    rows = read_scores(rebuild_table(store, tmp_path / "scores.csv").path).rows
    told = {(row["run"], row["suite"]): row["versions"] for row in rows}
    del made["python"]
    assert told == {
        ("r1", "target"): None, ("r2", "target"): None,
        ("r3", "target"): made, ("r3", "cost"): made,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([score(3.5)], "accuracy is 3.5, which is outside 0..1"),
        ([score(math.nan)], "accuracy is nan, which is not a number"),
        ([score("0.5")], "accuracy is '0.5', which is not a number"),
        ([score(0.5), score(-1, metric="f1")], "f1 is -1, which is outside 0..1"),
        ([score(51.0, unit="judge_points")], "accuracy is 51.0, which is outside -50..50"),
        ([{"metric": "accuracy", "value": 0.5}], "a row of scores lacks filter"),
        ({"accuracy": 0.5}, "scores.json holds no rows of scores"),
        ([0.5], "scores.json holds no rows of scores"),
    ],
)
def test_a_wrong_node_is_named_not_done_and_left_out(store, tmp_path, rows, told):
    node(store, "eval", "bad", s=rows)
    assert not store.done("eval", "bad")
    values, left_out = table(store, tmp_path)
    assert values == {"r2": 0.25}
    (line,) = left_out
    assert f"a at stage 1 of run r1 (seqft on s, seed 0): {told} (eval/bad)" in line
    assert "\n" not in line
    kept = read_record(record_path(store, "r1"))
    assert wrong_nodes(store, kept.run, kept.cells) == left_out
    node(store, "eval", "bad", s=[score(0.75)])
    assert store.done("eval", "bad")
    assert table(store, tmp_path) == ({"r1": 0.75, "r2": 0.25}, [])


def test_rows_without_a_unit_have_that_of_their_benchmark(store, tmp_path):
    """As nodes of earlier versions have them: a perplexity is no wrong score."""
    bare = score(12.5)
    del bare["unit"]
    node(store, "eval", "bad", s=[bare])
    record(store, "r1", cell("bad", unit="perplexity"))
    assert table(store, tmp_path) == ({"r1": 12.5, "r2": 0.25}, [])
    record(store, "r1", cell("bad"))
    assert "accuracy is 12.5" in table(store, tmp_path)[1][0]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda store: (store.path("eval", "bad") / SCORES).write_text("[{"), "(eval/bad)"),
        (lambda store: (store.path("eval", "bad") / "manifest.json").write_text("{"), "(eval/bad)"),
        (lambda store: record_path(store, "r1").write_text("{"), "not the record of a run"),
        (
            lambda store: change(store, run={"run": "r1"}),
            "not the record of a run ('method')",
        ),
        (lambda store: change(store, training=[{}]), "not the record of a run ('stage')"),
        (lambda store: record(store, "r1", cell("bad"), schedule="odd"), "schedule 'odd' is not"),
        (lambda store: record(store, "r1", cell("bad"), model=None), "model is null"),
    ],
)
def test_damage_costs_no_other_run_its_rows(store, tmp_path, spoil, told):
    spoil(store)
    values, left_out = table(store, tmp_path)
    assert values == {"r2": 0.25}
    assert len(left_out) == 1
    assert told in left_out[0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"cut"),
        lambda folder: (folder / TRAINING).write_text("{"),
        lambda folder: (folder / TRAINING).unlink(),
    ],
)
def test_a_damaged_training_costs_no_run_its_scores(store, tmp_path, spoil):
    node(store, "train", "t1", t={"cost": {"optimizer_steps": 3}})
    record(store, "r1", cell("bad"), training=[{"stage": 1, "key": "t1"}])
    spoil(store.path("train", "t1"))
    rebuilt = rebuild_table(store, tmp_path / "scores.csv")
    scores = read_scores(rebuilt.path)
    assert {run.name: run.matrix.size for run in load_runs(scores)} == {"r1": 1, "r2": 1}
    (line,) = rebuilt.left_out
    assert line.startswith("costs of train/t1: ")
    assert "\n" not in line


def test_costs_and_judged_rows(store, tmp_path):
    """What judging cost stands beside what training cost."""
    cost = {
        "optimizer_steps": 3, "trained_tokens": 30, "stored_examples": 2, "device_hours": 0.5,
        "peak_memory": 100,
    }  # fmt: skip
    node(store, "train", "t1", t={"cost": cost})
    node(store, "train", "t2", t={"cost": cost | {"stored_examples": 5, "peak_memory": 90}})
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "price": None}
    win = score(-12.5, metric="net_win", unit="judge_points")
    node(store, "judge", "j", s=[win], d=usage)
    asked = cell("j", suite="aviation", benchmark="q", headline="net_win", kind="judge")
    training = [{"stage": 1, "key": "t1"}, {"stage": 2, "key": "t2"}]
    record(store, "r2", cell("good"), asked, training=training, settings={"x": 1}, tasks=["a", "b"])
    rebuilt = rebuild_table(store, tmp_path / "scores.csv")
    assert rebuilt.left_out == []
    scores = read_scores(rebuilt.path)
    (judged,) = [row for row in scores.rows if row["metric"] == "net_win"]
    assert (judged["model_key"], judged["eval_key"], judged["suite"]) == ("m", "j", "aviation")
    run = next(run for run in load_runs(scores) if run.name == "r2")
    assert run.settings == {"x": 1}
    assert run.judged[0].at(1).value == -0.125
    assert run.costs["judge_prompt_tokens"] == 7
    assert "judge_price" not in run.costs
    # Steps and hours add up; of what is held at a time, the most counts.
    assert {name: run.costs[name] for name in cost} == {
        "optimizer_steps": 6,
        "trained_tokens": 60,
        "stored_examples": 5,
        "device_hours": 1.0,
        "peak_memory": 100,
    }
    units = {row["metric"]: row["unit"] for row in scores.rows if row["suite"] == "cost"}
    assert (units["peak_memory"], units["extra_parameters"]) == ("bytes", "parameters")


def test_settings_of_a_record_of_version_0_1(store, tmp_path):
    path = record_path(store, "r1")
    content = json.loads(path.read_text())
    del content["run"]["settings"]
    content["run"]["variant"] = "+method.replay={ratio: 0.1} suite=[] x=a b y=1e-4"
    path.write_text(json.dumps(content))
    rebuilt = rebuild_table(store, tmp_path / "scores.csv")
    settings = {row["run"]: row["settings"] for row in read_scores(rebuilt.path).rows}
    assert settings == {
        "r1": {
            "method.replay": "{ratio: 0.1}",
            "suite": [],
            "y": 0.0001,
            "x": "a b",
        },
        "r2": {},
    }


def test_the_rows_of_one_run_are_those_of_the_table(store, tmp_path):
    """Made of its own nodes, without reading another run or the file."""
    made = {"torch": "2.13.0"}
    node(store, "eval", "new", versions=made, s=[score(1, floor=0.5), score(0.75, subtask="x")])
    node(store, "train", "t1", versions=made, t={"cost": {"optimizer_steps": 3}})
    record(store, "r3", cell("new"), training=[{"stage": 1, "key": "t1"}], settings={"a.b": [1]})
    rebuilt = read_scores(rebuild_table(store, tmp_path / "scores.csv").path)
    own, left_out = run_scores(store, read_record(record_path(store, "r3")))
    assert (own, left_out) == (rebuilt.of_run("r3"), [])
    assert len(own.rows) == 4
