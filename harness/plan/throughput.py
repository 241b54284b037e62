"""How fast this kind of machine was at work that the store has done: the pace of a plan.

Nodes count that were made on a device of the same name with a model of about the same size; of
training those that have an adapter, or none, as the run at hand has; of scoring those of the same
`eval.backend`. A benchmark goes by what it took itself where it was scored before, since how soon
answers end is its own; else by others that are answered as it is, generated or by likelihood.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice

from harness.config import HarnessConfig, ModelConfig
from harness.config.devices import device_name
from harness.config.plain import typed
from harness.errors import DAMAGED
from harness.plan.again import newest_manifests
from harness.plan.estimates import Estimate, estimate, weight_count
from harness.plan.generating import generation_passes, most_generated
from harness.plan.memory.machine import machine_of
from harness.store.layout import DETAILS, TRAINING
from harness.store.records import Json
from harness.store.store import Store
from harness.store.work import EvalWork

KINDS = TRAIN, EVAL = ("train", "eval")
MOST_SEEN = 40  # nodes of a kind, the newest first
ALIKE = 2.0  # a model of at most so many times the weights, or the inverse
Counted = Callable[[str, float | None], float | None]


@dataclass(frozen=True)
class Seen:
    """One finished node: the device hours that it took and those of the estimate; its seconds on
    the clock for each unit of effort. generates: of an evaluation."""

    label: str
    generates: bool
    hours: float
    estimated: float
    seconds: float
    effort: float


@dataclass(frozen=True)
class Throughput:
    """What was measured on a device, by kind of work; empty where nothing was."""

    device: str
    seen: dict[str, list[Seen]] = field(default_factory=dict)

    def factor(self, kind: str, label: str = "", generates: bool = False) -> float | None:
        """Device hours that work takes for each hour of its estimate: by what is most like it of
        what was seen; None where nothing was."""
        works = self.seen.get(kind, [])
        same = [work for work in works if work.label == label]
        alike = [work for work in works if work.generates == generates]
        return next(filter(None, map(_slower, (same, alike, works))), None)

    def paces(self) -> dict[str, float]:
        """Kind of work -> seconds for each unit of its effort, for the time left."""
        return {
            kind: sum(work.seconds for work in works) / total
            for kind, works in self.seen.items()
            if (total := sum(work.effort for work in works)) > 0
        }

    def corrected(self, cost: Estimate, label: str = "") -> Estimate:
        """The estimate of a node of that label at the pace that was measured, where one was."""
        training = self.factor(TRAIN) or 1.0
        scoring = self.factor(EVAL, label, cost.generation_hours > 0) or 1.0
        return replace(
            cost,
            training_hours=cost.training_hours * training,
            reading_hours=cost.reading_hours * scoring,
            generation_hours=cost.generation_hours * scoring,
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


def _slower(works: Sequence[Seen]) -> float | None:
    """How much more than their estimates these took; None where that says nothing."""
    estimated = sum(work.estimated for work in works)
    return sum(work.hours for work in works) / estimated if estimated > 0 else None


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
        kind, key, label = manifest["kind"], manifest["key"], manifest["label"]
        seconds, effort = manifest["finished"] - manifest["started"], manifest["effort"]
        if kind == TRAIN:
            if (theirs["method"]["adapter"] is None) != (config.method.adapter is None):
                return
            cost = store.read(kind, key, TRAINING)["cost"]
            found = estimate(size, config.engine, trained_tokens=cost["trained_tokens"])
            yield Seen(label, False, cost["device_hours"], found.training_hours, seconds, effort)
        elif theirs["eval"]["backend"] == config.eval.backend.value:
            # Evaluations of a model run side by side.
            device = store.read(kind, key, DETAILS).get("device_seconds", seconds)
            found = _scoring(manifest, config, size)
            hours = found.reading_hours + found.generation_hours
            clock = device / manifest["ranks"]
            yield Seen(label, not manifest["by_likelihood"], device / 3600, hours, clock, effort)
    except DAMAGED:
        return


def _scoring(manifest: Json, config: HarnessConfig, size: float) -> Estimate:
    work = typed(EvalWork, manifest)
    return estimate(
        size,
        config.engine,
        read_tokens=work.read_tokens,
        generated_tokens=most_generated(work),
        passes=generation_passes(work),
    )


def _weights(path: str, parameters: float | None) -> float | None:
    """Weights of the initial model of a run, by its folder or by what its configuration told."""
    return weight_count(ModelConfig(name=path, path=path, parameters=parameters))
