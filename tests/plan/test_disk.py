"""Bytes of work against numbers worked out by hand."""

from dataclasses import replace

import pytest

from harness.config.compose.compose import load
from harness.plan.disk import DiskNeeds
from harness.plan.estimates import weight_count
from harness.plan.planner import make_plan
from harness.store.keys import FileHashes
from harness.store.work import EvalWork, Plan, TrainWork

ADAPTER = "+method.adapter={kind: lora, rank: 4, alpha: 8, targets: [q_proj]}"
ADAPTED = 2 * 4 * (64 + 64)  # two blocks, rank 4, queries of 64 from 64
MERGED, STACKED = (ADAPTER.replace("kind", f"between_tasks: {w}, kind") for w in ("merge", "stack"))


def needs_of(words: list[str], *more: str) -> tuple[DiskNeeds, Plan, float]:
    config = load([*words, *more])
    weights = weight_count(config.model)
    assert weights is not None
    return DiskNeeds(config), make_plan(config, FileHashes()), weights


def test_a_stage_and_its_checkpoints(tiny_run: list[str]) -> None:
    needs, plan, weights = needs_of(tiny_run)
    written = needs.of(plan.of(TrainWork)[0])
    # fp32 weights; beside them twice 12 bytes, of which one is there behind the last step
    assert (written.stays, written.most) == (4 * weights, 24 * weights)
    never = "train.checkpoint_minutes=null"
    written = needs_of(tiny_run, never)[0].of(plan.of(TrainWork)[0])
    assert (written.stays, written.most) == (4 * weights, 4 * weights)


def test_moments_that_are_carried_on(tiny_run: list[str]) -> None:
    needs, plan, weights = needs_of(tiny_run, "train.reset_optimizer=never")
    first, last = plan.of(TrainWork)
    # behind the last step a checkpoint (12), the stage (4) and its moments with the masters (12)
    assert needs.of(first).most == (12 + 4 + 12) * weights
    assert needs.of(last).most == 24 * weights
    assert needs.peak([first, last], {}) == (4 + 12 + 24) * weights


@pytest.mark.parametrize("adapter", [ADAPTER, MERGED, STACKED])
def test_an_adapter_is_its_own_size(adapter: str, tiny_run: list[str]) -> None:
    needs, plan, weights = needs_of(tiny_run, adapter)
    values = {ADAPTER: [ADAPTED, ADAPTED], STACKED: [ADAPTED, 2 * ADAPTED]}
    stays = [needs.of(stage).stays for stage in plan.of(TrainWork)]
    assert stays == [4 * count for count in values.get(adapter, [weights, weights])]
    assert needs.checkpoint == 12 * ADAPTED


def test_the_most_at_once_is_that_of_what_stays(tiny_run: list[str]) -> None:
    """Two stages: the second is trained beside the first, unless that goes when it is scored."""
    needs, plan, weights = needs_of(tiny_run)
    works = [
        replace(n, items=0, read_tokens=0) if isinstance(n, EvalWork) else n for n in plan.nodes
    ]
    assert needs.peak(works, {}) == (4 + 24) * weights
    first = plan.of(TrainWork)[0]
    assert needs.peak(works, {first.key: 4 * weights}) == (4 + 24) * weights
    scored = [work for work in works if work.stage == 1]
    assert needs.peak(scored, {first.key: 4 * weights}) == 24 * weights
    last = plan.of(TrainWork)[1]
    again = replace(last, seed=7)  # read by both, the first stage goes behind it
    assert needs.peak([last, again], {first.key: 4 * weights}) == (4 + 24) * weights
    assert needs.peak([last, again], {last.key: 4 * weights}) == 24 * weights
