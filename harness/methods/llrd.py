"""Layer-wise learning-rate decay: the lower a block, the slower it learns.

Discriminative fine-tuning of "Universal Language Model Fine-tuning for Text Classification" (arXiv
1801.06146, section 3.2), where the rate falls from each layer to the one below by a factor. With
the blocks l = 1 .. L numbered from the bottom, as "BEiT" (arXiv 2106.08254, its code) counts them,

    rate_l = rate decay^(L + 1 - l),

what stands behind the blocks (final norm, output head) learns at the whole rate, and the embeddings
at rate decay^(L + 1); an output head that is tied to them is one weight with them. The rate enters
the optimizer, so that AdamW's weight decay shrinks with it. ULMFiT takes 1 / 2.6 for three LSTM
layers, encoders of 12 or 24 blocks 0.65 to 0.95; for continual learning of language models nothing
is published.
"""

from dataclasses import dataclass
from typing import Any

from harness.config.ranges import require_range
from harness.methods.base import Strategy
from harness.methods.stage import Stage


@dataclass
class LLRD(Strategy):
    """Decay the learning rate from the head to the embeddings.

    decay: from a block to the one below, in (0, 1]; 1 is sequential fine-tuning.
    """

    decay: float = 0.9

    def __post_init__(self) -> None:
        require_range("decay", self.decay, 0, 1, open_low=True)

    def rates(self, stage: Stage, model: Any) -> dict[str, float]:
        from harness.models.weights.blocks import find_blocks, is_embedding

        # Of a weight that ZeRO 3 has cut (the base under an adapter) the tensor itself is empty.
        sizes = {n: getattr(p, "ds_numel", p.numel()) for n, p in model.named_parameters()}
        blocks, found = find_blocks(sizes), {}
        for name, parameter in model.named_parameters():
            block = blocks.index(name)
            if block is None and not is_embedding(name):
                continue
            if parameter.requires_grad:
                found[name] = self.decay ** (blocks.count - (-1 if block is None else block))
        return found
