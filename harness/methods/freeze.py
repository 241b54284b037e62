"""Freezing the bottom layers after the first task.

"Spurious Forgetting in Continual Learning of Language Models" (arXiv 2501.13453): much of what
looks forgotten is a lost alignment of the lower layers; fixing these from the second task on keeps
it. Frozen weights leave the optimizer, so that neither its moments nor weight decay move them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from harness.config.ranges import require_range
from harness.errors import ConfigError
from harness.methods.base import Strategy
from harness.methods.needs import Needs
from harness.methods.stage import Stage


@dataclass
class FreezeBottom(Strategy):
    """Train everything but the first blocks.

    layers: how many blocks, from the bottom; 0 is sequential fine-tuning. The paper freezes 1 to 6.
        The bottom of an encoder-decoder is its encoder's, behind which the decoder's blocks come.
    embeddings: freeze the input embeddings too (with tied weights this is the head as well).
    from_task: the first task with frozen layers, counted from 1.
    """

    layers: int = 1
    embeddings: bool = True
    from_task: int = 2

    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        require_range("layers", self.layers, 0)
        require_range("from_task", self.from_task, 1)

    def needs(self) -> Needs:
        return Needs(history=self.from_task > 1 and self.layers > 0, changes_trained=True)

    def check_model(self, description: Mapping[str, Any]) -> None:
        from harness.models.family import block_count

        count = block_count(description)
        if count is not None and self.layers >= count:
            raise ConfigError(f"layers={self.layers}: the model has {count}; leave some")

    def prepare_model(self, stage: Stage, model: Any) -> Any:
        from harness.models.weights.blocks import find_blocks, is_embedding

        if self.layers == 0 or stage.position < self.from_task:
            return model
        # Of a weight that ZeRO 3 has cut (the base under an adapter) the tensor itself is empty.
        sizes = {n: getattr(p, "ds_numel", p.numel()) for n, p in model.named_parameters()}
        blocks = find_blocks(sizes)
        if self.layers >= blocks.count:
            raise ConfigError(f"layers={self.layers}: the model has {blocks.count}; leave some")
        for name, parameter in model.named_parameters():
            place = blocks.index(name)
            below = place is not None and place < self.layers
            if below or (self.embeddings and place is None and is_embedding(name)):
                parameter.requires_grad_(False)
        return model
