"""How fast this kind of machine was at work that the store has done: the pace of a plan.

Nodes count that were made on a device of the same name with a model of about the same size; of
training those that have an adapter, or none, as the run at hand has.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice

from harness.config import HarnessConfig, ModelConfig
from harness.config.devices import device_name
from harness.errors import DataError
from harness.plan.again import newest_manifests
from harness.plan.estimates import Estimate, estimate, weight_count
from harness.plan.memory.machine import machine_of
from harness.store.layout import DETAILS, TRAINING
from harness.store.records import Json
from harness.store.store import Store

KINDS = TRAIN, EVAL = ("train", "eval")
MOST_SEEN = 40  # nodes of a kind, the newest first
ALIKE = 2.0  # a model of at most so many times the weights, or the inverse
# What a node of a damaged or an older store may raise.
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, DataError)
Counted = Callable[[str, float | None], float | None]


@dataclass(frozen=True)
class Seen:
    """One finished node: the device hours that it took and those of the estimate; its seconds on
    the clock for each unit of effort."""

    hours: float
    estimated: float
    seconds: float
    effort: float


@dataclass(frozen=True)
class Throughput:
    """What was measured on a device, by kind of work; empty where nothing was."""

    device: str
    seen: dict[str, list[Seen]] = field(default_factory=dict)

    def factor(self, kind: str) -> float | None:
        """Device hours that work takes for each hour of its estimate; None where none was seen."""
        works = self.seen.get(kind, [])
        estimated = sum(work.estimated for work in works)
        return sum(work.hours for work in works) / estimated if estimated > 0 else None

    def paces(self) -> dict[str, float]:
        """Kind of work -> seconds for each unit of its effort, for the time left."""
        return {
            kind: sum(work.seconds for work in works) / total
            for kind, works in self.seen.items()
            if (total := sum(work.effort for work in works)) > 0
        }

    def corrected(self, cost: Estimate) -> Estimate:
        """An estimate at the pace that was measured, where one was."""
        training, scoring = self.factor(TRAIN), self.factor(EVAL)
        return replace(
            cost,
            training_hours=cost.training_hours * (1.0 if training is None else training),
            reading_hours=cost.reading_hours * (1.0 if scoring is None else scoring),
            generation_hours=cost.generation_hours * (1.0 if scoring is None else scoring),
        )

    def told(self, config: HarnessConfig) -> str:
        """Which pace an estimate has, in words."""
        engine, (training, scoring) = config.engine, (len(self.seen.get(k, [])) for k in KINDS)
        nominal = f"{engine.tflops:g} TFLOP/s and {engine.bandwidth:g} TB/s (engine.tflops, "
        nominal += "engine.bandwidth; nothing was measured yet)"
        measured = f"as measured on {self.device}"
        if training and scoring:
            return f"{measured} ({training} stages, {scoring} evaluations in the store)"
        if training:
            return f"training {measured} ({training} stages in the store), scoring at {nominal}"
        if scoring:
            return f"scoring {measured} ({scoring} evaluations in the store), training at {nominal}"
        return f"on devices of {nominal}"


def measured(config: HarnessConfig, store: Store) -> Throughput:
    """The pace of what the store has done on a device like the one at hand."""
    weights = weight_count(config.model)
    device = device_name("cuda" if machine_of(config.engine).cuda else "cpu")
    if weights is None or device == "unknown":
        return Throughput(device)
    counted = cache(_weights)
    seen: dict[str, list[Seen]] = {}
    for kind in KINDS:
        here = (m for m in newest_manifests(store, kind) if m.get("machine") == device)
        alike = (one for m in here for one in _seen(m, config, store, weights, counted))
        seen[kind] = [*islice(alike, MOST_SEEN)]
    return Throughput(device, {kind: works for kind, works in seen.items() if works})


def _seen(
    manifest: Json, config: HarnessConfig, store: Store, weights: float, counted: Counted
) -> Iterator[Seen]:
    """The node of a manifest, if it is one to compare with and nothing of it is lost."""
    try:
        theirs = manifest["config"]
        size = counted(theirs["model"]["path"], theirs["model"]["parameters"])
        if not size or not 1 / ALIKE <= size / weights <= ALIKE:
            return
        kind, key = manifest["kind"], manifest["key"]
        seconds = manifest["finished"] - manifest["started"]
        if kind == TRAIN:
            if (theirs["method"]["adapter"] is None) != (config.method.adapter is None):
                return
            cost = store.read(kind, key, TRAINING)["cost"]
            found = estimate(size, config.engine, 1, cost["trained_tokens"], 0, 0, 0)
            yield Seen(cost["device_hours"], found.training_hours, seconds, manifest["effort"])
        else:
            # Evaluations of a model run side by side.
            details = store.read(kind, key, DETAILS)
            device = details.get("device_seconds", seconds)
            found = _scoring(manifest, config, size)
            hours = found.reading_hours + found.generation_hours
            yield Seen(device / 3600, hours, device / manifest["ranks"], manifest["effort"])
    except _UNREADABLE:
        return


def _scoring(manifest: Json, config: HarnessConfig, size: float) -> Estimate:
    answer = 0 if manifest["by_likelihood"] else manifest["benchmark"]["max_answer_tokens"]
    generated, batch = manifest["items"] * answer, config.eval.batch_size
    return estimate(size, config.engine, batch, 0, manifest["read_tokens"], generated, 0)


def _weights(path: str, parameters: float | None) -> float | None:
    """Weights of the initial model of a run, by its folder or by what its configuration told."""
    return weight_count(ModelConfig(name=path, path=path, parameters=parameters))
