"""Which nodes of a plan are still to do, from the end backwards: a model is made only for work that
is missing, so that scores which exist never train anything again."""

from collections.abc import Iterable
from itertools import pairwise

from harness.config import HarnessConfig, ResetOptimizer
from harness.run.retention import holds_weights, is_lost
from harness.store.layout import MOMENTS, TRANSIENT
from harness.store.store import Store
from harness.store.work import Plan, TrainWork, Work


def pending_nodes(config: HarnessConfig, store: Store, plan: Plan) -> list[Work]:
    """Nodes still to do, in plan order.

    A model that is not in the store, or whose weights were dropped, is made where work that is to
    do reads it, or where nothing of the plan reads it. With carried-over moments a finished stage
    whose optimizer state is gone is done again when the stage after it is still to train.
    """
    read = {key for node in plan.nodes for _, key in node.needs()}
    before = _stages_before(config, plan.of(TrainWork))
    pending, demanded = set[str](), set[str]()
    for node in reversed(plan.nodes):
        if not (node.key in pending or _to_do(store, node, node.key in read, demanded)):
            continue
        pending.add(node.key)
        demanded |= {key for _, key in node.needs()}
        parent = before.get(node.key)
        if parent is None or not store.whole("train", parent.key):
            continue
        if not (store.path("train", parent.key) / TRANSIENT / MOMENTS).is_file():
            pending.add(parent.key)
    return [node for node in plan.nodes if node.key in pending]


def _to_do(store: Store, node: Work, is_read: bool, demanded: set[str]) -> bool:
    if store.done(node.kind, node.key):
        return node.key in demanded and bool(store.dropped(node.kind, node.key))
    spared = holds_weights(node) and is_read and is_lost(store, node)
    return not spared or node.key in demanded


def _stages_before(config: HarnessConfig, stages: Iterable[TrainWork]) -> dict[str, TrainWork]:
    """For each stage the one whose moments it carries on."""
    if config.train.reset_optimizer is not ResetOptimizer.never:
        return {}
    return {
        after.key: before for before, after in pairwise(stages) if after.model.key == before.key
    }
