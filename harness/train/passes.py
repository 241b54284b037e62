"""The forward and backward passes that make the gradient of a list of examples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.config import LossNorm, TrainConfig
from harness.data.batches import MicroBatch, bins, pack, pad
from harness.data.encoding import Example
from harness.train.engine.core import Engine

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Passes:
    """Runs examples through the engine, spread over the ranks.

    objective: (logits [n, vocabulary], targets [n]) -> loss of each answer token, [n].
    """

    engine: Engine
    train: TrainConfig
    objective: "Callable[[Tensor, Tensor], Tensor]"
    packed: bool
    pad_token_id: int

    def backward(
        self,
        examples: Sequence[Example],
        token_loss: "Callable[[MicroBatch, Tensor], Tensor] | None" = None,
    ) -> float:
        """Leave the reduced gradient of the examples' mean loss in the engine; returns the loss.

        All ranks pass the same examples. token_loss: (batch, logits at its answer tokens) -> loss
        of each; the objective by default.
        """
        import torch
        import torch.distributed as dist

        rank = self.engine.rank
        shares = step_shares(examples, self.train, self.packed, rank.world, self.pad_token_id)
        mine = shares[rank.index :: rank.world]
        answer_tokens = sum(len(example.answer_ids) for example in examples)
        total = torch.zeros((), dtype=torch.float64)
        for index, (batch, micro_batches) in enumerate(mine):
            batch = batch or replace(shares[0][0], idle=True)
            loss = self._loss(batch, token_loss)
            share = _share(loss, self.train, answer_tokens, micro_batches)
            share = share * (0.0 if batch.idle else 1.0)
            total += share.detach().double().cpu()
            self.engine.backward(share, last=index == len(mine) - 1)
        total = total.to(rank.device)
        dist.all_reduce(total)
        return float(total)

    def observe(
        self, examples: Sequence[Example], visit: "Callable[[MicroBatch, Tensor], None]"
    ) -> None:
        """Forward passes over the examples, in steps of the batch size: `visit(batch, logits at its
        answer tokens)` is called on the rank that has the batch."""
        rank, size = self.engine.rank, self.train.batch_size
        for start in range(0, len(examples), size):
            part = examples[start : start + size]
            shares = step_shares(part, self.train, self.packed, rank.world, self.pad_token_id)
            for batch, _ in shares[rank.index :: rank.world]:
                idle = batch is None
                moved = (shares[0][0] if idle else batch).to(rank.device)
                output = self.engine.forward(**moved.inputs)
                if not idle:
                    visit(moved, output.logits[moved.answer_rows, moved.answer_columns])

    def _loss(self, batch: MicroBatch, token_loss: Any) -> Any:
        batch = batch.to(self.engine.rank.device)
        output = self.engine.forward(**batch.inputs)
        logits = output.logits[batch.answer_rows, batch.answer_columns]
        if token_loss is None:
            return self.objective(logits, batch.targets)
        return token_loss(batch, logits)


def step_shares(
    examples: Sequence[Example], train: TrainConfig, packed: bool, world: int, pad_token_id: int
) -> list[tuple[MicroBatch | None, int]]:
    """The forward passes of one optimizer step, a multiple of `world`; pass i is rank i % world's.

    Each comes with the number of micro-batches of the step. None stands for an idle rank, which
    must still run a forward pass, with weight zero, for the collectives to match.
    """
    if packed:
        groups = bins([len(example) for example in examples], train.pack_tokens, world)
        made = [pack([examples[i] for i in group]) if group else None for group in groups]
    else:
        size = train.micro_batch_size
        rows = list(examples)
        if train.loss_norm is LossNorm.tokens:
            rows.sort(key=len)
        chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
        made = [pad(chunk, pad_token_id) for chunk in chunks]
        made += [None] * (-len(made) % world)
    count = sum(batch is not None for batch in made)
    return [(batch, count) for batch in made]


def _share(loss: Any, train: TrainConfig, answer_tokens: int, micro_batches: int) -> Any:
    """This pass's part of the step's loss; the parts of all passes on all ranks sum to it."""
    if train.loss_norm is LossNorm.tokens:
        return loss.sum() / answer_tokens
    return loss.mean() / micro_batches
