"""What a run takes of memory as a table: a column for each ZeRO stage, and for offloading."""

from collections.abc import Iterator
from dataclasses import replace

from harness.config import Offload
from harness.plan.memory.fit import Memory, warnings
from harness.plan.memory.machine import GB
from harness.plan.memory.training import TrainingMemory

_OFFLOADED = ((2, Offload.optimizer), (3, Offload.all))
WIDTH = 12
Column = tuple[int, Offload]


def memory_lines(memory: Memory) -> Iterator[str]:
    """The table, what scoring and the host take, and what is close to the limit."""
    machine, setting = memory.machine, memory.setting
    kind = "GPU" if machine.cuda else "CPU"
    limit = f"{machine.limit / GB:.3g} GB" if machine.limit else "unknown: set engine.device_memory"
    ranks = f"each of {machine.ranks} ranks" if machine.ranks > 1 else "one rank"
    name = memory.config.model.name
    yield f"memory of {ranks} in GB ({name}, {setting.precision.value}, {kind}; it has {limit})"
    if memory.training is not None:
        yield from _training(memory)
    if memory.scoring is not None:
        s = memory.scoring
        yield (
            f"scoring: weights {s.weights / GB:.1f}, keys and values {s.cache / GB:.1f} "
            f"({s.batch} rows of at most {s.longest:,} tokens), logits {s.logits / GB:.1f}, "
            f"in all {s.peak / GB:.1f}"
        )
    yield f"main memory of a machine, its ranks together: {memory.host / GB:.1f}"
    yield from warnings(memory)


def _training(memory: Memory) -> Iterator[str]:
    setting = memory.setting
    chosen = (setting.zero_stage, setting.offload)
    columns = [column for column in _columns(memory) if _possible(memory, column)]
    states = [memory.at(zero_stage=stage, offload=offload) for stage, offload in columns]
    heads = [f"{_head(column)}{'*' if column == chosen else ''}" for column in columns]
    passed = f"{setting.row_tokens:,} tokens, {setting.answer_tokens:,} to predict"
    yield f"{f'training ({passed})':<44}" + "".join(f"{head:>{WIDTH}}" for head in heads)
    for label, values in _rows(memory, columns, states):
        yield f"  {label:<42}" + "".join(f"{value / GB:>{WIDTH}.1f}" for value in values)


def _rows(
    memory: Memory, columns: list[Column], states: list[TrainingMemory]
) -> Iterator[tuple[str, list[float]]]:
    for part in ("weights", "masters", "gradients", "moments"):
        yield part, [getattr(state, part) for state in states]
    if memory.setting.copies:
        yield f"strategies ({memory.setting.copies:g} copies)", [s.strategies for s in states]
    yield "buffers, gathered weights", [state.buffers for state in states]
    for twice, words in ((False, "kept"), (True, "computed twice")):
        used = "*" if twice == memory.setting.checkpointing else ""
        other = [memory.at(zero_stage=z, offload=o, checkpointing=twice) for z, o in columns]
        yield f"activations, {words}{used}", [state.activations for state in other]
    yield "logits", [state.logits for state in states]
    yield "the optimizer's step", [state.step for state in states]
    yield "at most at once", [state.peak for state in states]
    if any(state.host for state in states):
        ranks = memory.machine.ranks
        yield "in main memory, all ranks", [ranks * state.host for state in states]


def _columns(memory: Memory) -> list[Column]:
    chosen = (memory.setting.zero_stage, memory.setting.offload)
    plain = [(stage, Offload.none) for stage in range(4)]
    more = _OFFLOADED if memory.machine.cuda else ()
    return list(dict.fromkeys((*plain, *more, chosen)))


def _possible(memory: Memory, column: Column) -> bool:
    stage, offload = column
    return replace(memory.setting, zero_stage=stage, offload=offload).possible


def _head(column: Column) -> str:
    stage, offload = column
    return f"ZeRO {stage}" + {"none": "", "optimizer": " opt.", "all": " all"}[offload.value]
