"""The exact fp32 values of weights that a model holds in bf16: where they come from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.errors import StageFailed
from harness.models.adapters.lora import is_exported
from harness.train.engine.layout import Layout

if TYPE_CHECKING:
    from torch import Tensor

    from harness.models.weights.stored import StoredWeights


class ExactWeights:
    """Made before DeepSpeed rounds the module. What the model's files say is read from them when
    it is needed; of the rest (a fresh adapter, a model that was converted) a copy is held.

    keep: does this rank write what is exported but not trained?
    """

    def __init__(self, model: Any, stored: "StoredWeights | None", keep: bool) -> None:
        self._stored = stored
        self._held: dict[str, Any] = {}
        self.frozen: set[str] = set()
        for name, parameter in model.named_parameters():
            trained = parameter.requires_grad
            if not trained and is_exported(model, name, parameter):
                self.frozen.add(name)
            filed = stored is not None and name in stored
            if not filed and (trained or (keep and name in self.frozen)):
                self._held[name] = parameter.detach().clone()

    def fill(self, module: Any, layout: Layout) -> None:
        """Put this rank's share into DeepSpeed's masters, which it made from rounded weights."""
        for name, parameter in module.named_parameters():
            span = layout.span(parameter) if parameter.requires_grad else None
            if span is not None:
                self._fill(name, layout.weight(parameter), span[0])
        self._held = {name: held for name, held in self._held.items() if name in self.frozen}

    def pieces(self, name: str) -> "Iterator[Tensor]":
        """A frozen weight, flat, in order, in fp32 on the CPU."""
        for _, piece in self._values(name, 0, None):
            yield piece.float().cpu()

    def _fill(self, name: str, master: "Tensor", start: int) -> None:
        for first, piece in self._values(name, start, start + len(master)):
            part = master[first - start : first - start + len(piece)]
            exact = piece.to(part.device, part.dtype)
            if not exact.bfloat16().equal(part.bfloat16()):
                raise StageFailed(
                    f"{name} is not the weight that the model's files hold; a strategy changes "
                    "weights in its hook start, not in prepare_model"
                )
            part.copy_(exact)

    def _values(self, name: str, start: int, stop: int | None) -> "Iterator[tuple[int, Tensor]]":
        if name not in self._held:
            return self._stored.pieces(name, start, stop)
        return iter([(start, self._held[name].reshape(-1)[start:stop])])
