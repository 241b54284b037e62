"""One sequence at several learning rates, merged after every stage."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.command import refused

from harness.config.compose.compose import load
from harness.plan.planner import make_plan
from harness.run.parent import execute
from harness.store.keys import FileHashes
from harness.store.work import EditWork, Plan, TrainWork

RATES = ["method.edit.experts=rates", "method.edit.rates=[5e-4,2e-3]"]


def planned(*overrides: str) -> Plan:
    return make_plan(load(list(overrides)), FileHashes())


def test_its_sequences_are_those_of_runs_at_these_rates(tiny_run: list[str]) -> None:
    plan = planned(*tiny_run, "method=soup", *RATES)
    alone = [
        planned(*tiny_run, "method=seqft", f"train.learning_rate={rate}").of(TrainWork)
        for rate in ("1e-3", "5e-4", "2e-3")
    ]
    keys = [[works[stage].key for works in alone] for stage in range(2)]
    assert [[model.key for model in work.tuned] for work in plan.of(EditWork)] == keys
    assert {work.key for work in plan.of(TrainWork)} == {key for stage in keys for key in stage}
    assert [work.stage for work in plan.of(EditWork)] == [1, 2]
    assert {cell.stage for cell in plan.cells} == {0, 1, 2}


def test_what_it_learns_from_is_the_task_of_the_stage(tiny_run: list[str]) -> None:
    works = planned(*tiny_run, "method=fisher", *RATES).of(EditWork)
    assert [[one.name for one in work.lessons] for work in works] == [["copy"] * 3, ["count"] * 3]


@pytest.mark.distributed
def test_a_soup_of_rates_is_their_mean(tiny_run: list[str], tmp_path: Path) -> None:
    few = ["train.max_steps=2", "eval.limit=2", "method.edit.at=final"]
    config = load([*tiny_run, "method=soup", *RATES, *few])
    assert execute(config).left_out == []
    (work,) = make_plan(config, FileHashes()).of(EditWork)
    store = tmp_path / "store"
    models = [load_file(store / "train" / m.key / "model.safetensors") for m in work.tuned]
    found = load_file(store / "edit" / work.key / "model.safetensors")
    assert not torch.equal(models[0]["model.norm.weight"], models[1]["model.norm.weight"])
    for name, value in found.items():
        assert torch.allclose(value, sum(model[name] for model in models) / 3, atol=1e-7)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method=soup", "method.edit.rates=[1e-4]"], "only with method.edit.experts=rates"),
        (["method=soup", RATES[0]], "method.edit.rates: missing"),
        (["method=soup", RATES[0], "method.edit.rates=[-1]"], "must be positive"),
        (["method=soup", RATES[0], "method.edit.rates=[1e-3]"], "none is train.learning_rate"),
        (["method=soup", RATES[0], "method.edit.rates=[2e-3,2e-3]"], "each once"),
        (["method=[seqft,wise_ft]", *RATES], "first edit has to take several models"),
        (["method=seqft", *RATES], "first edit has to take several models"),
        (["method=soup", *RATES, "+method.soup.weights=[0.5,0.5]"], "merges 3 learning rates"),
        (["method=soup", *RATES, "task.copy.learning_rate=1e-4"], "goes before every rate"),
    ],
)
def test_refusals(overrides: list[str], told: str, tiny_run: list[str]) -> None:
    assert told in refused(*tiny_run, *overrides)
