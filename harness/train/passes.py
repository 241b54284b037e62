"""The forward and backward passes that make the gradient of a list of examples."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.config import LossNorm, TrainConfig
from harness.data.batches import MicroBatch, pack
from harness.data.encoding import Example
from harness.errors import StageFailed
from harness.methods.forward import Pass
from harness.methods.needs import LOGITS_ALONE, Outputs
from harness.methods.stage import Stage
from harness.methods.view import Loss
from harness.models.family import Padded
from harness.store.pulse import beat
from harness.train.engine.core import Engine
from harness.train.fitting import Division

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Passes:
    """Runs examples through the engine, spread over the ranks.

    objective: (logits [n, vocabulary], targets [n]) -> loss of each answer token, [n]. padded:
    makes a batch of rows that are not packed.
    outputs: what passes return besides logits. halvings: as Division says.
    """

    engine: Engine
    train: TrainConfig
    objective: "Callable[[Tensor, Tensor], Tensor]"
    packed: bool
    padded: Padded
    outputs: Outputs = LOGITS_ALONE
    halvings: int = 0

    def by_token(self) -> "Passes":
        """The same, with the loss as a mean over answer tokens whatever training's is."""
        return replace(self, train=replace(self.train, loss_norm=LossNorm.tokens))

    @property
    def division(self) -> Division:
        """How examples become passes."""
        return Division(self.train, self.packed, self.engine.rank.world, self.halvings)

    def fitting(self, examples: Sequence[Example]) -> AbstractContextManager[None]:
        """What is computed of these examples: see `Division.fitting`."""
        return self.division.fitting(examples, self.engine.config)

    def backward(
        self, examples: Sequence[Example], loss: Loss | None = None, stage: Stage | None = None
    ) -> float:
        """Leave the reduced gradient of the examples' mean loss in the engine; returns the loss.

        All ranks pass the same examples. loss: of each answer token of a pass; the objective by
        default. stage: the one that trains on these examples, which knows the running batch then.
        Raises as `Division.fitting` where memory runs out.
        """
        with self.fitting(examples):
            return self._backward(examples, loss, stage)

    def _backward(
        self, examples: Sequence[Example], loss: Loss | None, stage: Stage | None
    ) -> float:
        import torch
        import torch.distributed as dist

        rank = self.engine.rank
        shares = self._shares(examples)
        mine = shares[rank.index :: rank.world]
        answer_tokens = sum(len(example.answer_ids) for example in examples)
        total = torch.zeros((), dtype=torch.float64)
        for index, (batch, divisor) in enumerate(mine):
            batch = batch or replace(shares[0][0], idle=True)
            each = self._loss(self._run(batch, stage), loss)
            share = _share(each, self.train, answer_tokens, divisor)
            share = share * (0.0 if batch.idle else 1.0)
            total += share.detach().double().cpu()
            self.engine.backward(share, last=index == len(mine) - 1)
        total = total.to(rank.device)
        dist.all_reduce(total)
        return float(total)

    def observe(self, examples: Sequence[Example], visit: Callable[[Pass], None]) -> None:
        """Forward passes over the examples, in steps of the batch size: `visit` is called on the
        rank that has the batch."""
        rank, size = self.engine.rank, self.train.batch_size
        for start in range(0, len(examples), size):
            part = examples[start : start + size]
            with self.fitting(part):
                shares = self._shares(part)
                for batch, _ in shares[rank.index :: rank.world]:
                    made = self._run(batch or shares[0][0])
                    if batch is not None:
                        visit(made)

    def _shares(self, examples: Sequence[Example]) -> list[tuple[MicroBatch | None, float]]:
        world = self.engine.rank.world
        return step_shares(examples, self.train, self.packed, world, self.padded, self.halvings)

    def _run(self, batch: MicroBatch, stage: Stage | None = None) -> Pass:
        """One forward pass."""
        batch, asked = batch.to(self.engine.rank.device), self.outputs
        every = asked.every_hidden_state
        options = {"output_hidden_states": True} if asked.hidden_states or every else {}
        options |= {"output_attentions": True} if asked.reads_attention else {}
        if stage is not None:
            stage.batch = batch
        output = self.engine.forward(**batch.inputs, **options)
        beat()
        if stage is not None:
            stage.batch = None
        return Pass(
            batch,
            output.logits[batch.answer_rows, batch.answer_columns],
            _chosen(output, "hidden_states", asked.hidden_states, asked.every_hidden_state),
            _chosen(output, "attentions", asked.attentions, asked.every_attention),
        )

    def _loss(self, made: Pass, loss: Loss | None) -> "Tensor":
        if loss is None:
            return self.objective(made.logits, made.batch.targets)
        each = loss(made)
        if not self.outputs:
            return each
        # A loss of inner layers alone reaches every weight too, with gradient zero: ranks exchange
        # the gradients of all weights, and ZeRO 3 fetches a layer's when its output's arrives. And
        # every pass reaches all outputs, or ranks whose rows are penalised and ranks whose are not
        # would fetch in another order, and wait for each other for ever.
        read = (made.logits, *made.hidden_states.values(), *made.attentions.values())
        return each + 0.0 * sum(output.sum() for output in read)


def _chosen(
    output: Any, name: str, layers: Sequence[int], every: bool = False
) -> "dict[int, Tensor]":
    """The layers that were asked for. Raises StageFailed where the model has them not."""
    found = output.get(name) if layers or every else ()
    if every:
        layers = [*range(max(1, len(found or ()))), *layers]
    for layer in layers:
        if not found or not -len(found) <= layer < len(found):
            there = f"gives {len(found)}" if found else "gives none"
            raise StageFailed(f"a strategy reads {name} of layer {layer}; the model {there}")
    return {layer: found[layer] for layer in layers}


def step_shares(
    examples: Sequence[Example],
    train: TrainConfig,
    packed: bool,
    world: int,
    padded: Padded,
    halvings: int = 0,
) -> list[tuple[MicroBatch | None, float]]:
    """The forward passes of one optimizer step, a multiple of `world`; pass i is rank i % world's.

    Each comes with what its mean loss is divided by where micro-batches count alike. None stands
    for an idle rank, which must still run a forward pass, with weight zero, for the collectives to
    match.
    """
    passes = Division(train, packed, world, halvings).passes(examples)

    def batch(group: list[Example]) -> MicroBatch | None:
        if not group:
            return None
        return pack(group) if packed else padded(group)

    return [(batch(group), divisor) for group, divisor in passes]


def _share(loss: "Tensor", train: TrainConfig, answer_tokens: int, divisor: float) -> "Tensor":
    """This pass's part of the step's loss; the parts of all passes on all ranks sum to it."""
    if train.loss_norm is LossNorm.tokens:
        return loss.sum() / answer_tokens
    return loss.mean() / divisor
