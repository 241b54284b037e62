"""A small tidy table: one model, two tasks, several methods and suites."""

import pytest


def make_row(**changes):
    row = {
        "run": "seqft-1", "group": None, "settings": None, "experiment": "demo",
        "model": "micro_1", "sequence": "micro", "data": None,
        "method": "seq_ft", "seed": 1, "schedule": "sequential", "past": None, "tasks": "a_1|b",
        "stage": 1, "trained_task": None, "suite": "target", "benchmark": "a_1", "side": None,
        "subtask": None, "floor": None,
        "metric": "accuracy", "filter": None, "headline": True, "value": 0.5, "stderr": None,
        "n": 100, "split": "test", "shots": 0, "protocol": None, "unit": "score",
        "higher_is_better": True, "backend": "hf", "status": "done", "schema": 2,
        "model_key": "m", "eval_key": "e", "harness_version": "0.1.0", "versions": None,
    }  # fmt: skip
    return row | changes


def make_run(run, cells, general=(0.6, 0.5), **changes):
    """Target scores {(stage, task): value}, and one general benchmark at stages 0 and 2."""
    changes = {"run": run, **changes}
    rows = [make_row(stage=t, benchmark=b, value=v, **changes) for (t, b), v in cells.items()]
    for stage, value in zip((0, 2), general, strict=False):
        place = {"stage": stage, "suite": "general", "benchmark": "m%_x"}
        rows.append(make_row(value=value, **(changes | place)))
    return rows


@pytest.fixture(scope="session")
def score_row():
    return make_row


@pytest.fixture
def run_rows():
    return make_run


@pytest.fixture
def rows():
    """Two seeds of one method and one seed of another, with item errors for the latter."""
    first = {(1, "a_1"): 0.8, (2, "a_1"): 0.4, (2, "b"): 0.6}
    second = {(1, "a_1"): 0.8, (2, "a_1"): 0.6, (2, "b"): 0.8}
    return [
        *make_run("seqft-1", first),
        *make_run("seqft-2", second, seed=2),
        *make_run("replay-1", second, general=(0.6, 0.7), method="replay|10%", stderr=0.03),
    ]
