"""Settings under which a run that is too large would fit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.config import AdapterConfig, HarnessConfig, Offload, Precision
from harness.models.family import family_of
from harness.plan.memory.machine import GB, Machine
from harness.plan.memory.model import Model, adapter_weights
from harness.plan.memory.training import Setting, TrainingMemory, training_memory

CLOSE = 0.9  # of what there is; above, a run may fail all the same
SHORTEST_ROW = 512
MOST_RANKS = 64
LORA = "method=lora_seqft"  # its adapter is that of the defaults: rank 8, queries and values


@dataclass(frozen=True)
class Way:
    """Overrides, and what the run is with them."""

    words: str
    model: Model
    setting: Setting

    def then(self, words: str, model: Model | None = None, **changed: object) -> "Way":
        """This way and a further change of the setting."""
        setting = replace(self.setting, **changed)  # type: ignore[arg-type]
        return Way(f"{self.words} {words}".strip(), model or self.model, setting)


def needed(state: TrainingMemory, machine: Machine) -> float:
    """Bytes that a rank takes of the memory that it has: on a CPU what is offloaded lies there
    too."""
    return state.peak + (0.0 if machine.cuda else state.offloaded)


def ways(config: HarnessConfig, model: Model, setting: Setting, machine: Machine) -> list[str]:
    """Changes of the configuration, the least of each kind that makes it fit, with the memory that
    it takes then; where none does by itself, with activations computed twice as well."""
    start = Way("", model, setting)
    rounds = [[*_kinds(config, start)]]
    if not setting.checkpointing:
        twice = start.then("engine.gradient_checkpointing=true", checkpointing=True)
        rounds = [[[twice], *rounds[0]], [*_kinds(config, twice)]]
    for kinds in rounds:
        tried = ([_told(way, machine) for way in kind] for kind in kinds)
        fitting = [next(filter(None, told), "") for told in tried]
        if any(fitting):
            return [told for told in fitting if told]
    return []


def _told(way: Way, machine: Machine) -> str:
    """A way in words; empty where it is none."""
    cut = bool(way.model.packed) and way.setting.zero_stage == 3  # 4-bit weights are not
    if cut or not way.setting.possible or machine.limit is None:
        return ""
    ranks = way.setting.ranks
    # More ranks of a CPU share the memory that there is.
    limit = machine.limit if machine.cuda else machine.limit * machine.ranks / ranks
    state = training_memory(way.model, way.setting)
    taken, host = needed(state, machine), state.host * ranks * machine.here / machine.ranks
    if taken > CLOSE * limit or (machine.host is not None and host > machine.host):
        return ""
    beside = f" and {host / GB:.0f} GB of host memory" if host and machine.cuda else ""
    return f"{way.words} ({taken / GB:.1f} GB{beside})"


def _kinds(config: HarnessConfig, base: Way) -> Iterator[list[Way]]:
    """Ways of one kind each, the smaller change first."""
    setting = base.setting
    if setting.precision is Precision.fp32:
        stage = max(2, setting.zero_stage)
        words = f"engine=zero{stage} engine.precision=bf16"
        yield [base.then(words, precision=Precision.bf16, zero_stage=stage)]
    higher = range(setting.zero_stage + 1, 4)
    yield [base.then(f"engine.zero_stage={stage}", zero_stage=stage) for stage in higher]
    yield _offloads(base)
    yield _shorter_rows(config, base)
    more = [setting.ranks * 2**power for power in range(1, 7)] if setting.zero_stage else []
    yield [base.then(f"engine.ranks={n}", ranks=n) for n in more if n <= MOST_RANKS]
    shapes = base.model.shapes
    if config.method.adapter is None and shapes is not None:
        family = family_of(config.model)
        trained = adapter_weights(AdapterConfig(), shapes, base.model.weights, family)
        adapted = base.then(LORA, replace(base.model, trained=trained), copies=0.0, host_copies=0.0)
        yield [adapted, *_in_4_bits(adapted)]
    if config.method.adapter is not None and not base.model.packed:
        yield _in_4_bits(base)


def _in_4_bits(base: Way) -> list[Way]:
    """With a base model of 4 bits a weight, which ZeRO 3 does not cut."""
    if base.setting.zero_stage == 3:
        return []
    return [base.then("model.quantization=nf4", base.model.in_4_bits())]


def _offloads(base: Way) -> list[Way]:
    found = []
    if base.setting.offload is Offload.none:
        stage = max(2, base.setting.zero_stage)
        words = "engine.offload=optimizer"
        if stage != base.setting.zero_stage:
            words = f"engine.zero_stage={stage} {words}"
        found.append(base.then(words, offload=Offload.optimizer, zero_stage=stage))
    if base.setting.offload is not Offload.all:
        words = "engine.zero_stage=3 engine.offload=all"
        found.append(base.then(words, offload=Offload.all, zero_stage=3))
    return found


def _shorter_rows(config: HarnessConfig, base: Way) -> list[Way]:
    packed, setting, found = config.train.pack_tokens, base.setting, []
    tokens = packed // 2
    while tokens >= SHORTEST_ROW and setting.row_tokens == packed:
        answers = round(setting.answer_tokens * tokens / packed)
        words = f"train.pack_tokens={tokens}"
        found.append(base.then(words, row_tokens=tokens, answer_tokens=answers))
        tokens //= 2
    return found
