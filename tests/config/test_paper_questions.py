"""The experiments on the papers' own questions compose, validate and plan, job by job."""

import pytest

from harness.config.compose.compose import load
from harness.config.compose.sweep import expand
from harness.plan.checks.run import validate
from harness.plan.planner import make_plan
from harness.store.keys import FileHashes
from harness.store.work import TrainWork

JOBS = {
    "lines_options": 4 * 2 * 4,
    "lines_plane": 4 * 2,
    "sfa_frontier": 4 * 4 * 3,
    "sfa_every_step": 2 * 6,
    "sfa_long": 3 * 3,
    "plain_baselines": 4 * 4 * 2,
    "adapter_dropout": 2 * 4 * 2,
    "migu_stacks": 20,
    "interpolation_rates": 4 * 4,
    "merge_rates": 6 * 4,
    "soup_rates": 2,
}
# Sequences of eight (twenty visits) that have to be trained for all jobs together, each stage once.
STAGES = {
    "lines_options": 8,
    "lines_plane": 8,
    "sfa_every_step": 12 * 8,
    "sfa_long": 9 * 20,
    "plain_baselines": 16 * 8,
    "adapter_dropout": 16 * 8,
    "interpolation_rates": 4 * 8,
    "merge_rates": 4 * 8,
    "soup_rates": 4 * 8,
}


@pytest.mark.parametrize("name", JOBS)
def test_it_composes_and_plans(name: str, tmp_path: object) -> None:
    jobs = expand([f"experiment={name}", "suite=[]"], multirun=True)
    assert len(jobs) == JOBS[name]
    stages, runs = set(), set()
    hashes = FileHashes()
    for job in jobs:
        config = load([*job, f"store.root={tmp_path}"])
        validate(config)
        plan = make_plan(config, hashes)
        stages |= {work.key for work in plan.of(TrainWork)}
        runs.add(plan.run["run"])
        assert config.experiment == name
    assert len(runs) == len(jobs)
    if name in STAGES:
        assert len(stages) == STAGES[name]


def test_a_merge_takes_back_what_so_many_steps_of_the_penalty_would() -> None:
    for job in expand(["experiment=sfa_every_step"], multirun=True):
        method = load(job).method.strategies
        p, beta = method["sfa"]["p"], method["sfa"]["beta"]
        steps = round(100 * p)
        assert beta in (0, pytest.approx(1 - 0.99**steps, abs=5e-4))


def test_a_long_sequence_visits_tasks_again_in_its_own_order() -> None:
    jobs = expand(["experiment=sfa_long", "method=sfa", "suite=[]"], multirun=True)
    orders = set()
    for job in jobs:
        plan = make_plan(load(job), FileHashes())
        orders.add(tuple(work.label for work in plan.of(TrainWork)))
    assert len(orders) == 3
    assert all(len(order) == 20 for order in orders)
