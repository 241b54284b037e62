"""Stages that are known to diverge, and what cannot be made without them."""

import math
from collections.abc import Iterable

from harness.config import HarnessConfig
from harness.store.broken import Broken, broken_work
from harness.store.status import Status
from harness.store.store import Store
from harness.store.work import TrainWork, Work


def barred(config: HarnessConfig, store: Store, works: Iterable[Work]) -> dict[str, TrainWork]:
    """Key -> the stage that has diverged, of those of some works, in order, that cannot be done:
    such stages, and what reads them."""
    found = dict[str, TrainWork]()
    for work in works:
        before = next((found[key] for _, key in work.needs() if key in found), None)
        if before is not None:
            found[work.key] = before
        elif isinstance(work, TrainWork) and divergence(config, store, work) is not None:
            found[work.key] = work
    return found


def divergence(config: HarnessConfig, store: Store, work: TrainWork) -> Broken | None:
    """How a stage has diverged, None where that is not known, or where its loss is one that the
    configuration allows now."""
    known = broken_work(store, (work.kind, work.key))
    if known is None or known.status is not Status.diverged:
        return None
    bound, loss = config.train.loss_bound, known.loss
    allowed = loss is not None and math.isfinite(loss) and (bound is None or loss <= bound)
    return None if allowed else known


def divergences(config: HarnessConfig, store: Store, stages: Iterable[TrainWork]) -> list[str]:
    """A line for each of some stages that have diverged: where, and what to do about it."""
    known = {work.key: (work, divergence(config, store, work)) for work in stages}
    return [
        f"stage {work.stage}, {work.label}: diverged: {how.line}, or have it tried again: "
        f"`python -m harness store forget --diverged {key}`"
        for key, (work, how) in known.items()
        if how is not None
    ]
