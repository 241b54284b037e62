"""Half fine-tuning (HFT): another half of the weights is frozen at every task.

"HFT: Half Fine-Tuning for Large Language Models" (arXiv 2404.18466), category level: in each block
half of the attention matrices are frozen; of the feed-forward matrices the larger half in a random
half of the blocks and the smaller half in the others (2 of 3, and 1 of 3); half of the norms.
Embeddings and head are always trained, and so are biases; of fused matrices each counts as one.
Of an encoder-decoder every block of both is drawn from; attention to the encoder is attention.
Every task draws anew. Frozen weights leave the optimizer.
"""

import random
from dataclasses import dataclass
from typing import Any

from harness.methods.base import Strategy
from harness.methods.needs import Adapter, Needs
from harness.methods.stage import Stage

ATTENTION = ("attn", "attention")


@dataclass
class HFT(Strategy):
    """Freeze a random half, chosen from (seed, place of the task).

    active: false freezes nothing, which is sequential fine-tuning.
    """

    active: bool = True

    def __post_init__(self) -> None:
        self.density = 1.0

    def needs(self) -> Needs:
        return Needs(adapter=Adapter.refused, changes_trained=True, thaws=True)

    def prepare_model(self, stage: Stage, model: Any) -> Any:
        if self.active:
            shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
            frozen = frozen_names(shapes, stage.run_random("hft", stage.position))
            sizes = dict[str, int]()
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(name not in frozen)
                sizes[name] = parameter.numel()
            trained = sum(size for name, size in sizes.items() if name not in frozen)
            self.density = trained / sum(sizes.values())
        return model

    def figures(self, stage: Stage) -> dict[str, float]:
        """mask_density: share of the model's weights that is trained in this task."""
        return {"mask_density": self.density}


def frozen_names(shapes: dict[str, tuple[int, ...]], source: random.Random) -> set[str]:
    """The weights that a draw freezes; `shapes` of all weights by name, in the model's order."""
    from harness.models.weights.blocks import find_blocks, is_embedding

    sizes = {name: len(shape) for name, shape in shapes.items()}
    blocks = find_blocks(sizes)
    more = set(source.sample(range(blocks.count), blocks.count // 2))
    frozen: set[str] = set()
    for block in range(blocks.count):
        matrices = [
            n
            for n in shapes
            if blocks.index(n) == block and len(shapes[n]) == 2 and not is_embedding(n)
        ]
        attention = [n for n in matrices if any(part in n.lower() for part in ATTENTION)]
        forward = [n for n in matrices if n not in attention]
        frozen.update(source.sample(attention, len(attention) // 2))
        count = -(-len(forward) // 2) if block in more else len(forward) // 2
        frozen.update(source.sample(forward, count))
    norms = [name for name, shape in shapes.items() if len(shape) == 1 and name.endswith("weight")]
    frozen.update(source.sample(norms, len(norms) // 2))
    return frozen
