"""Does a run fit the memory that there is? What certainly does not is refused before it starts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.config import HarnessConfig, Offload, Precision
from harness.methods.loading import load_strategies
from harness.plan.memory.host import host_bytes
from harness.plan.memory.machine import GB, Machine, machine_of
from harness.plan.memory.model import Model, model_of
from harness.plan.memory.scoring import ScoringMemory, scoring_memory
from harness.plan.memory.training import Setting, TrainingMemory, setting_of, training_memory
from harness.plan.memory.ways import CLOSE, needed, ways
from harness.store.work import EvalWork, TrainWork, Work

SURELY_OFFLOADED = 16 / 22  # of what is reckoned for it: masters, moments and gradients


@dataclass(frozen=True)
class Memory:
    """What a run takes of a machine; None for training, or scoring, that is not to do."""

    config: HarnessConfig
    machine: Machine
    model: Model
    setting: Setting
    training: TrainingMemory | None
    scoring: ScoringMemory | None

    @property
    def host(self) -> float:
        """Bytes of main memory that all ranks take."""
        return host_bytes(self.model, self.training, self.scoring, self.machine)

    def at(self, **changed: object) -> TrainingMemory:
        """Training with another setting."""
        return training_memory(self.model, replace(self.setting, **changed))  # type: ignore[arg-type]


def memory_of(config: HarnessConfig, works: Sequence[Work]) -> Memory | None:
    """What the works take; None for a model of which nobody knows how large it is."""
    model = model_of(config)
    if model is None:
        return None
    machine = machine_of(config.engine, config.eval.beside)
    setting = setting_of(config, machine.ranks, machine.cuda)
    trains = any(isinstance(work, TrainWork) for work in works)
    scored = [work for work in works if isinstance(work, EvalWork)]
    return Memory(
        config,
        machine,
        model,
        setting,
        training_memory(model, setting) if trains and setting.possible else None,
        scoring_memory(model, config, scored, machine.cuda) if scored else None,
    )


def memory_mistakes(config: HarnessConfig, works: Sequence[Work]) -> list[str]:
    """A line for what certainly does not fit, with the settings that would."""
    memory = memory_of(config, works)
    return [] if memory is None else [*refusals(memory)]


def refusals(memory: Memory) -> Iterator[str]:
    """What certainly does not fit: the states of training alone, or the weights that are scored."""
    machine = memory.machine
    if machine.limit is None:
        return
    state, scored = memory.training, memory.scoring
    if state is not None and _certain(memory, state) > machine.limit:
        yield _too_large(memory, state)
    elif scored is not None and scored.weights > machine.limit:
        wide = memory.config.engine.precision is Precision.fp32
        smaller = "use engine=zero2 engine.precision=bf16, or " if wide else "use "
        yield (
            f"{_place(machine)}: scoring {memory.config.model.name} holds all its weights on every "
            f"rank, {scored.weights / GB:.1f} GB; {smaller}a smaller model or larger devices"
        )
    if state is not None and machine.host is not None and machine.cuda:
        held = machine.here * SURELY_OFFLOADED * state.offloaded
        if held > machine.host:
            yield (
                f"{_offloads(memory)}: {held / GB:.0f} GB at least lie in host memory, the machine "
                f"has {machine.host / GB:.0f} GB; "
                f"{_would_fit(memory)}"
            )


def warnings(memory: Memory) -> Iterator[str]:
    """What is close to the limit, or above it where only its longest rows need it."""
    limit = memory.machine.limit
    if limit is None or any(refusals(memory)):
        return
    state, scored = memory.training, memory.scoring
    if state is not None and (taken := needed(state, memory.machine)) > CLOSE * limit:
        yield (
            f"close: training may take {taken / GB:.1f} of the {limit / GB:.1f} GB that a rank "
            f"has; {_would_fit(memory)}"
        )
    if scored is not None and scored.peak > CLOSE * limit:
        fixed, each = scored.context + scored.weights, (scored.cache + scored.logits) / scored.batch
        rows = max(1, int((CLOSE * limit - fixed) / each)) if each else scored.batch
        yield (
            f"close: scoring {scored.batch} rows of {scored.longest:,} tokens at once may take "
            f"{scored.peak / GB:.1f} of the {limit / GB:.1f} GB that a rank has; use "
            f"eval.batch_size={min(rows, max(1, scored.batch - 1))}"
        )


def _certain(memory: Memory, state: TrainingMemory) -> float:
    """Bytes that it takes for certain. Strategies that freeze weights of the model leave fewer of
    them to train, and nobody has counted how many."""
    needs = [one.needs() for one in load_strategies(memory.config.method).values()]
    if any(one.changes_trained for one in needs):
        return state.weights
    offloaded = 0.0 if memory.machine.cuda else SURELY_OFFLOADED * state.offloaded
    return max(state.states, state.loading) + offloaded


def _offloads(memory: Memory) -> str:
    """The key by which something lies in host memory."""
    config = memory.config
    offload = memory.setting.offload
    plain = offload is Offload.none
    return f"method={config.method.name}" if plain else f"engine.offload={offload.value}"


def _too_large(memory: Memory, state: TrainingMemory) -> str:
    setting, name = memory.setting, memory.config.model.name
    kept = "kept gradients" if setting.offload is Offload.none else "offloaded"
    parts = {
        "weights": state.weights,
        "masters": state.masters,
        "gradients": state.gradients,
        "moments": state.moments,
        kept: 0.0 if memory.machine.cuda else state.offloaded,
    }
    listed = ", ".join(f"{part} {_gb(size)}" for part, size in parts.items() if size)
    ranks = f"{setting.ranks} ranks" if setting.ranks > 1 else "1 rank"
    return (
        f"{_place(memory.machine)}: training {name} at ZeRO {setting.zero_stage} on {ranks} takes "
        f"at least {_gb(_certain(memory, state))} GB of each ({listed}); "
        f"{_would_fit(memory)}"
    )


def _place(machine: Machine) -> str:
    """What sets the limit, as a line of a mistake begins."""
    limit = machine.limit or 0.0
    if machine.cuda:
        return f"engine.device_memory={limit / GB:.3g} (GB of a device)"
    return f"{_gb(limit)} GB of memory for each rank"


def _gb(size: float) -> str:
    """Bytes as gigabytes, of which something is left where they are few."""
    return f"{size / GB:.1f}" if size >= GB / 10 else f"{size / GB:.1g}"


def _would_fit(memory: Memory) -> str:
    found = ways(memory.config, memory.model, memory.setting, memory.machine)
    if not found:
        return "no setting of it fits: use more or larger devices, or a smaller model"
    return f"would fit: {', or '.join(found)}"
