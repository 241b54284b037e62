"""The training engine: DeepSpeed at any ZeRO stage behind forward, backward, step and export."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.config import EngineConfig, Precision, TrainConfig
from harness.models.adapters.lora import is_adapted, is_exported
from harness.train.engine.layout import layout_of
from harness.train.engine.ranks import Rank
from harness.train.engine.settings import deepspeed_settings


class Engine:
    """One model under DeepSpeed for the length of one task.

    `model` is a whole fp32 module on the CPU; under bf16 the fp32 masters keep its exact values,
    and weights that are not trained are exported as they came.
    Call `destroy()` when done: a second engine in a process that skips it leaks the first.
    """

    def __init__(self, model: Any, engine: EngineConfig, train: TrainConfig, rank: Rank) -> None:
        import deepspeed

        self.rank = rank
        self.zero_stage = engine.zero_stage
        if engine.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        originals, self._frozen = None, dict[str, Any]()
        if engine.precision is Precision.bf16:
            originals = {name: p.detach().clone() for name, p in _trainable(model)}
            self._frozen = _frozen_exports(model, keep=rank.first)
        parameters = sum(p.numel() for p in model.parameters())
        self.deepspeed, _, _, _ = deepspeed.initialize(
            model=model,
            optimizer=_adamw(model, train),
            config=deepspeed_settings(engine, train, parameters),
            dist_init_required=False,
        )
        self.module = self.deepspeed.module
        self.layout = layout_of(self.deepspeed, engine.zero_stage)
        self._stale = False
        self._norm: Any = None
        if originals is not None:
            self._restore_masters(originals)

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
        for group in self.deepspeed.optimizer.param_groups:
            group["lr"] = learning_rate
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
        optimizer = getattr(self.deepspeed.optimizer, "optimizer", self.deepspeed.optimizer)
        for state in optimizer.state.values():
            for value in state.values():
                value.zero_()

    def master_weights(self) -> Iterator[tuple[str, Any]]:
        """(name, whole fp32 tensor on the CPU) of every parameter that is exported: of a model with
        an adapter the adapter's, trained or not. All ranks must iterate; weights that are frozen
        under bf16 are yielded on the first rank only."""
        from deepspeed.utils import safe_get_full_fp32_param

        for name, parameter in self.module.named_parameters():
            if not is_exported(self.module, name, parameter):
                continue
            if name in self._frozen:
                if self._frozen[name] is not None:
                    yield name, self._frozen[name]
                continue
            if self.zero_stage == 0:
                value = parameter.detach()
            elif parameter.requires_grad:
                value = safe_get_full_fp32_param(parameter)
            else:
                value = self._whole(parameter)
            yield name, value.detach().float().cpu().clone()

    def export(self, folder: Path) -> None:
        """Write the fp32 masters as a Hugging Face model folder, or the adapter alone as a PEFT
        folder (rank 0 writes, all take part)."""
        weights = dict(self.master_weights())
        if self.rank.first:
            buffers = {} if is_adapted(self.module) else dict(_saved_buffers(self.module))
            self.module.save_pretrained(folder, state_dict=weights | buffers)
        self.rank.barrier()

    def save_optimizer(self, folder: Path) -> None:
        """Write DeepSpeed's checkpoint, for the next task to carry the moments over."""
        self._refresh()
        self.deepspeed.save_checkpoint(str(folder), tag="state", save_latest=False)

    def load_optimizer(self, folder: Path) -> None:
        """Read what `save_optimizer` wrote; ranks and ZeRO stage must be the same."""
        loaded, _ = self.deepspeed.load_checkpoint(str(folder), tag="state")
        if loaded is None:
            raise FileNotFoundError(f"no optimizer state in {folder}")

    def destroy(self) -> None:
        """Give back what DeepSpeed holds."""
        self.deepspeed.destroy()

    def _restore_masters(self, originals: dict[str, Any]) -> None:
        """DeepSpeed makes its fp32 masters from the rounded weights; put the exact ones back."""
        from deepspeed.utils import safe_set_full_fp32_param

        for name, parameter in _trainable(self.module):
            safe_set_full_fp32_param(parameter, originals[name].to(parameter.device))

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


def _frozen_exports(model: Any, keep: bool) -> dict[str, Any]:
    """Copies of what is exported but not trained, which the engine will round to bf16; names
    alone on ranks that write no file."""
    return {
        name: p.detach().clone() if keep else None
        for name, p in model.named_parameters()
        if not p.requires_grad and is_exported(model, name, p)
    }


def _saved_buffers(model: Any) -> list[tuple[str, Any]]:
    names = set(model.state_dict())
    return [(name, buffer.cpu()) for name, buffer in model.named_buffers() if name in names]


def _adamw(model: Any, train: TrainConfig) -> Any:
    """AdamW with weight decay on matrices only (norms and biases are vectors)."""
    import torch

    parameters = [p for _, p in _trainable(model)]
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": train.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=train.learning_rate,
        betas=(train.betas[0], train.betas[1]),
        eps=train.eps,
    )
