"""What the nodes of a run tell of its training: steps, time, memory."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import DAMAGED
from harness.results.html.curves import Series
from harness.results.records import RunRecord
from harness.store.layout import TRAINING
from harness.store.store import Store

_MOST = 10**18  # of anything that is counted


@dataclass(frozen=True)
class StageLog:
    """A trained stage. seconds: from its beginning to its end; worked: what its ranks trained;
    tokens_per_second: of the latter; peak_memory: the largest of a rank, in bytes."""

    stage: int
    task: str
    steps: int
    tokens: int
    seconds: float | None
    worked: float | None
    peak_memory: int
    loss: Series
    gradient: Series
    notices: tuple[str, ...]

    @property
    def tokens_per_second(self) -> float | None:
        """None where no time is known."""
        return self.tokens / self.worked if self.worked else None


def stage_logs(store: Store, record: RunRecord) -> tuple[list[StageLog], list[str]]:
    """The stages of a run whose logs can be read, and a line for each that cannot."""
    found, lacking = [], []
    for trained in record.training:
        stage, key = trained["stage"], trained["key"]
        try:
            log, manifest = store.read("train", key, TRAINING), store.manifest("train", key)
            found.append(_stage_log(stage, log, manifest))
        except DAMAGED as error:
            why = "is not there" if isinstance(error, FileNotFoundError) else "cannot be read"
            lacking.append(f"run {record.run['run']}: the log of stage {stage} {why}")
    return found, lacking


def _stage_log(stage: int, log: Mapping[str, Any], manifest: Mapping[str, Any]) -> StageLog:
    """Raises one of DAMAGED where it is not what was written there."""
    cost = log.get("cost", {})
    steps = log.get("steps", [])
    task = str(log.get("task") or f"stage {stage}")
    hours, ranks = cost.get("device_hours"), manifest.get("ranks") or 1
    started, finished = (_finite(manifest.get(name)) for name in ("started", "finished"))
    return StageLog(
        stage=stage,
        task=task,
        steps=_count(cost.get("optimizer_steps", len(steps))),
        tokens=_count(cost.get("trained_tokens", 0)),
        seconds=None if started is None or finished is None else finished - started,
        worked=_finite(3600 * float(hours) / _count(ranks)) if hours else None,
        peak_memory=_count(cost.get("peak_memory", 0)),
        loss=Series(task, [_finite(step.get("loss")) for step in steps]),
        gradient=Series(task, [_finite(step.get("grad_norm")) for step in steps]),
        notices=tuple(map(str, log.get("notices", []))),
    )


def _count(value: object) -> int:
    if not isinstance(value, int | float) or not 0 <= value <= _MOST:
        raise ValueError(f"{value!r} is no count")
    return int(value)


def _finite(value: object) -> float | None:
    number = float(value) if isinstance(value, int | float) else math.nan
    return number if math.isfinite(number) else None
