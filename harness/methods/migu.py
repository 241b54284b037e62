"""MIGU: only the rows of a matrix whose outputs are large are updated.

"Unlocking Continual Learning Abilities in Language Models" (arXiv 2406.17245), section 3: for
each linear layer the magnitude of every output neuron, L1-normalised for each token, is averaged
over the tokens of the batch; the gradient of the (1 - threshold) part of the rows with the largest
magnitudes is kept and that of the others set to zero. For LoRA, A is masked by the magnitudes of
x A, and B by those of the layer's whole output. Masks are those of the step's own batch, the same
on all ranks.
As in the paper's rule gradients are masked, and nothing else: weight decay and Adam's moments still
move masked rows. Expert weights that are fused into one tensor are no linear layers and are not
masked.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.ranges import require_range
from harness.errors import StageFailed
from harness.methods.base import Strategy
from harness.methods.needs import Needs
from harness.methods.stage import Stage
from harness.methods.view import Shard, State, View

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class MIGU(Strategy):
    """Mask gradient rows by output magnitude.

    threshold: part of the rows that is masked, in [0, 1); 0 is sequential fine-tuning. The paper:
        0.7, with LoRA and replay 0.4, with O-LoRA 0.1.
    from_task: the first task with masks, counted from 1; the paper begins with the second.
    """

    threshold: float = 0.7
    from_task: int = 2

    def __post_init__(self) -> None:
        require_range("threshold", self.threshold, 0, 0.999999)
        require_range("from_task", self.from_task, 1)
        self.active = False
        self.total: dict[str, Tensor] = {}  # magnitudes of the step's rows on this rank, by layer
        self.watched: list[str] = []  # layers with a hook
        self.transposed: set[str] = set()  # of them those whose weight is [inputs, outputs]

    def needs(self) -> Needs:
        return Needs(history=self.threshold > 0 and self.from_task > 1, bounds_gradient=True)

    def prepare_model(self, stage: Stage, model: Any) -> Any:
        import torch
        from transformers.pytorch_utils import Conv1D

        from harness.models.adapters.lora import adapted_layer
        from harness.models.weights.blocks import is_head

        self.active = self.threshold > 0 and stage.position >= self.from_task
        if not self.active:
            return model
        for name, module in model.named_modules():
            trained = any(p.requires_grad for p in module.parameters(recurse=False))
            if not isinstance(module, torch.nn.Linear | Conv1D) or not trained:
                continue
            if is_head(f"{name}.weight"):
                continue
            if isinstance(module, Conv1D):
                self.transposed.add(name)
            layer = adapted_layer(model, name)
            (module if layer is None else layer).register_forward_hook(self._watch(stage, name))
        if not self.watched:
            raise StageFailed("MIGU: the model has no linear layer that is trained")
        return model

    def running(self) -> State:
        return State()  # masks are of one step

    def gradients(self, stage: Stage) -> None:
        if not self.active:
            return
        view, masks = stage.view, {}
        for name in sorted(self._layers(view)):
            outputs = view.shapes[f"{name}.weight"][1 if name in self.transposed else 0]
            masks[name] = self._mask(view, self.total.get(name), outputs)
        self.total = {}

        def masked(shard: Shard) -> "Tensor | None":
            layer = shard.name.rpartition(".")[0]
            if layer not in masks:
                return None
            by_column = layer in self.transposed and len(shard.shape) == 2
            spread = shard.by_column if by_column else shard.by_row
            return shard.grad * spread(masks[layer])

        view.update_gradients(masked)

    def figures(self, stage: Stage) -> dict[str, float]:
        """mask_density: share of the trained weights whose gradient is kept."""
        shapes, kept = stage.view.shapes, 0
        layers = set(self._layers(stage.view)) if self.active else set()
        for name, shape in shapes.items():
            layer, rows = name.rpartition(".")[0], shape[0]
            if layer in layers:
                outputs = shape[-1] if layer in self.transposed else rows
                kept += shape.numel() // outputs * self._kept(outputs)
            else:
                kept += shape.numel()
        return {"mask_density": kept / max(sum(shape.numel() for shape in shapes.values()), 1)}

    def _kept(self, rows: int) -> int:
        return rows - int(self.threshold * rows)

    def _layers(self, view: View) -> list[str]:
        return [name for name in self.watched if f"{name}.weight" in view.shapes]

    def _mask(self, view: View, mine: "Tensor | None", rows: int) -> "Tensor":
        import torch

        own = torch.zeros(rows, device=view.device) if mine is None else mine
        magnitude = view.sum_over_ranks(own)
        mask = torch.zeros(rows, device=view.device)
        mask[magnitude.topk(self._kept(rows)).indices] = 1.0
        return mask

    def _watch(self, stage: Stage, name: str) -> Any:
        """A hook that adds up a layer's magnitudes over the rows that training takes its step on:
        other passes, and ranks without rows of their own, do not count."""
        from harness.models.family import mask_of

        self.watched.append(name)

        def hook(module: Any, arguments: Any, output: "Tensor") -> None:
            if stage.batch is None or stage.batch.idle:
                return
            size = output.detach().float().abs()
            share = size / size.sum(-1, keepdim=True).clamp_min(1e-30)
            valid = mask_of(name, stage.batch)
            if valid is not None:
                share = share * valid.unsqueeze(-1)
            added = share.sum(dim=tuple(range(share.dim() - 1)))
            self.total[name] = self.total.get(name, 0) + added

        return hook
