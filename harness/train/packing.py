"""May examples share a row, and how are such rows attended? Settled once a stage, and told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.config import Attention, HarnessConfig, TrainConfig
from harness.data.encoding import Example
from harness.errors import StageFailed, kind_and_line
from harness.models.attention import varlen
from harness.models.attention.blocks import attend_by_blocks
from harness.models.attention.choice import MASKLESS, situation, tried, ways
from harness.models.attention.kernel import kernel_fault
from harness.models.family import Padded
from harness.store.listener import Notice
from harness.train.engine.core import Engine
from harness.train.engine.dropout import without_dropout
from harness.train.engine.probe import packing_fault
from harness.train.passes import step_shares

ELSEWHERE = "another rank says so"


@dataclass(frozen=True)
class Packing:
    """packed: rows share a sequence. attention: the function of transformers that attends.
    notices: what a user has to know of it."""

    packed: bool
    attention: str
    notices: list[Notice] = field(default_factory=list)


def settle(
    engine: Engine,
    config: HarnessConfig,
    wanted: bool,
    rows: Sequence[Example],
    padded: Padded,
    halvings: int = 0,
) -> Packing:
    """Set the engine's model to the fastest attention that packs exactly, or to padded rows.

    wanted: nothing else speaks against packing. rows: of the task, which tell what padding would
    cost. halvings: as Division says. All ranks call it together and settle for the same. Raises
    StageFailed where attention that is asked for by name does not work here.
    """
    model, asked, rank = _without_adapter(engine.module), config.model.attention, engine.rank
    attend_by_blocks()
    if kernel := varlen.kernel():
        varlen.offer(kernel)
    text = model.config.get_text_config()
    if asked.value in MASKLESS:
        fault = kernel_fault(asked.value, text, rank.device)
        if not rank.agree(fault is None):
            why = fault or ELSEWHERE
            raise StageFailed(f"model.attention={asked.value}: {why}; use model.attention=sdpa")
    if not wanted:
        return Packing(False, asked.value)
    faults: dict[str, str] = {}
    precision = config.engine.precision
    began = model.config._attn_implementation  # what loading made of what is asked for
    here = ways(situation(model, asked, precision, rank.device))
    for way in tried(asked):  # the same on all ranks, which may have other kernels
        chosen = way != asked.value
        fault = None if way in here else "it is not here"
        if chosen and fault is None:
            fault = kernel_fault(way, text, rank.device)
        fault = fault or _set(model, way if chosen else began)
        if rank.agree(fault is None):
            plain = _by(model, began, way, engine.forward) if chosen else None
            with without_dropout(engine.module, rank.device):
                fault = packing_fault(
                    engine.forward, text.vocab_size, rank.device, precision, plain
                )
            if rank.agree(fault is None):
                return Packing(True, way, _slower(way, faults))
        if way in here:
            faults[way] = fault or ELSEWHERE
    # What is asked for was tried last, so the model is set to it.
    cost = padded_share(config.train, rows, padded, halvings)
    return Packing(False, asked.value, [_lost(model, asked, faults, cost)])


def _without_adapter(module: Any) -> Any:
    return module.get_base_model() if hasattr(module, "get_base_model") else module


def _set(model: Any, way: str) -> str | None:
    """Have the model attend this way; why it does not."""
    try:
        if model.config._attn_implementation != way:
            model.set_attn_implementation(way)
    except (ValueError, ImportError, RuntimeError, TypeError, AttributeError) as error:
        return kind_and_line(error)
    now = model.config._attn_implementation
    return None if now == way else f"the model stays at {now}"


def _by(model: Any, way: str, back: str, forward: Callable[..., Any]) -> Callable[..., Any]:
    """`forward` of the model set to one way, and then set back."""

    def passed(**inputs: Any) -> Any:
        if fault := _set(model, way):
            raise ValueError(fault)
        try:
            return forward(**inputs)
        finally:
            _set(model, back)

    return passed


def _slower(way: str, faults: dict[str, str]) -> list[Notice]:
    """What to say where a faster way was there and did not work."""
    if not faults:
        return []
    told = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
    return [Notice("attention", f"attention by {way}, which is slower, because of {told}")]


def _lost(model: Any, asked: Attention, faults: dict[str, str], cost: float) -> Notice:
    fault = next(reversed(faults.values()))
    packing = asked is not Attention.sdpa
    key = "model.attention=sdpa may pack" if packing else "train.packing=never says so at once"
    return Notice(
        "packing",
        f"rows are padded, not packed: {type(model).__name__} with model.attention={asked.value} "
        f"does not keep examples of one row apart ({fault}); padding computes "
        f"{cost:.0%} more tokens; {key}",
    )


def padded_share(
    train: TrainConfig, rows: Sequence[Example], padded: Padded, halvings: int = 0
) -> float:
    """How many tokens more padded rows have, of the first batches of a task: 0.5 = half as many
    again."""
    computed = tokens = 0
    for start in range(0, min(len(rows), 4 * train.batch_size), train.batch_size):
        part = rows[start : start + train.batch_size]
        tokens += sum(map(len, part))
        shares = step_shares(part, train, False, 1, padded, halvings)
        computed += sum(batch.inputs["input_ids"].numel() for batch, _ in shares if batch)
    return computed / tokens - 1 if tokens else 0.0
