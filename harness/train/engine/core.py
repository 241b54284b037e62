"""The training engine: DeepSpeed at any ZeRO stage behind forward, backward, step and export."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config import EngineConfig, Precision, TrainConfig
from harness.train.engine.export import export
from harness.train.engine.gathering import gathered_pieces
from harness.train.engine.layout import layout_of
from harness.train.engine.letting_go import forget_partitioned_modules
from harness.train.engine.masters import ExactWeights
from harness.train.engine.optimizer import NO_RATES, adamw, forget_moments, set_rate
from harness.train.engine.partitioned import partition, round_the_rest, whole_size
from harness.train.engine.ranks import Rank
from harness.train.engine.settings import deepspeed_settings

if TYPE_CHECKING:
    from torch import Tensor

    from harness.models.weights.stored import StoredWeights


class Engine:
    """One model under DeepSpeed for the length of one task.

    `model` is a whole module, or at ZeRO 3 one whose parameters are on `meta` and come from
    `stored`, its files. Under bf16 the fp32 masters have its exact values, and weights that are not
    trained are exported as they came: these are the module's own, or, of a module that was loaded
    in bf16, those of `stored`. rates: factors of the learning rate by parameter name.
    Call `destroy()` when done: a second engine in a process that skips it leaks the first.
    """

    def __init__(
        self,
        model: Any,
        engine: EngineConfig,
        train: TrainConfig,
        rank: Rank,
        stored: "StoredWeights | None" = None,
        rates: Mapping[str, float] = NO_RATES,
    ) -> None:
        import deepspeed

        self.rank, self.config = rank, engine
        self.zero_stage = engine.zero_stage
        if engine.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        bf16 = engine.precision is Precision.bf16
        self._exact = ExactWeights(model, stored, keep=rank.first) if bf16 else None
        if stored is not None and self.zero_stage == 3:
            partition(model, stored, engine, train, rank)
        if bf16:
            round_the_rest(model)
        self.deepspeed, _, _, _ = deepspeed.initialize(
            model=model,
            optimizer=adamw(model, train, engine, rank.device, rates),
            config=deepspeed_settings(engine, train, whole_size(model), rank.device),
            dist_init_required=False,
        )
        self.module = self.deepspeed.module
        self.layout = layout_of(self.deepspeed, engine)
        self._stale = False
        self._norm: Any = None
        if self._exact is not None:
            self._exact.fill(self.module, self.layout)

    def forward(self, **inputs: Any) -> Any:
        """The model's output for one micro-batch (a dict of tensors on the rank's device)."""
        self._refresh()
        return self.deepspeed(**inputs)

    def backward(self, loss: Any, last: bool) -> None:
        """Accumulate the gradient of `loss`, a share of the step's loss over all ranks.

        `last` marks the step's final micro-batch, the same one on every rank.
        """
        self.deepspeed.set_gradient_accumulation_boundary(last)
        # DeepSpeed averages over ranks; the shares are meant to be summed.
        self.deepspeed.backward(loss * self.rank.world)

    def step(self, learning_rate: float) -> None:
        """Clip, update with this learning rate, clear the gradients."""
        set_rate(self.deepspeed.optimizer, learning_rate)
        whole_norm = self._whole_norm() if self.zero_stage == 0 else None
        self.deepspeed.step()
        self._norm = whole_norm or self.deepspeed.get_global_grad_norm()
        self._stale = False  # a step hands out all masters

    def grad_norm(self) -> float:
        """Norm of the last step's gradient before clipping."""
        return float(self._norm or 0.0)

    def weights_changed(self) -> None:
        """Masters were written; every rank says so. The next forward pass will see them."""
        self._stale = True

    def reset_moments(self) -> None:
        """Set Adam's moments and step count to zero."""
        forget_moments(self.adam)

    @property
    def adam(self) -> Any:
        """The optimizer proper, without what ZeRO puts around it."""
        return getattr(self.deepspeed.optimizer, "optimizer", self.deepspeed.optimizer)

    def master_pieces(self, name: str, parameter: Any) -> "Iterator[Tensor]":
        """The exact values of a parameter in flat fp32 pieces, in order. All ranks must iterate;
        of weights that are frozen under bf16 only the first rank gets any."""
        if self._exact is not None and name in self._exact.frozen:
            yield from self._exact.pieces(name) if self.rank.first else ()
        elif parameter.requires_grad:
            count, layout = self.shape(parameter).numel(), self.layout
            held = layout.weight(parameter).detach() if layout.span(parameter) else None
            yield from gathered_pieces(layout, parameter, held, count, self.rank.device)
        else:
            yield self._whole(parameter).detach().float().reshape(-1)

    def shape(self, parameter: Any) -> Any:
        """The shape of the whole parameter; ZeRO 3 empties the tensor itself."""
        return getattr(parameter, "ds_shape", parameter.shape)

    def export(self, folder: Path) -> None:
        """Write the fp32 masters as a Hugging Face model folder, or the adapter alone as a PEFT
        folder (rank 0 writes, all take part)."""
        export(self, folder)

    def destroy(self) -> None:
        """Give back what DeepSpeed holds, and let go of it. The engine, the module and the
        optimizer refer to each other: memory is free after the next `release_memory`."""
        self.deepspeed.destroy()
        if self.zero_stage == 3:
            forget_partitioned_modules()
        del self.deepspeed, self.module, self.layout
        self._exact = None

    def _whole_norm(self) -> float:
        """DeepSpeed does not report it at ZeRO 0."""
        import torch

        grads = [p.grad for _, p in _trainable(self.module) if p.grad is not None]
        return float(torch.nn.utils.get_total_norm(grads)) if grads else 0.0

    def _refresh(self) -> None:
        if self._stale:
            self.layout.refresh()
            self._stale = False

    def _whole(self, parameter: Any) -> Any:
        if self.zero_stage < 3:
            return parameter
        import deepspeed

        with deepspeed.zero.GatheredParameters([parameter]):
            return parameter.detach().clone()


def _trainable(model: Any) -> list[tuple[str, Any]]:
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]
