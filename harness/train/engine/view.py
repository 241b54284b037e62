"""The view of a running engine: `harness.methods.view` says what strategies may rely on.

Methods without a text of their own have the protocol's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.methods import view as protocols
from harness.methods.view import Loss, Sharded
from harness.models.memory import in_main_memory
from harness.train.engine.dropout import without_dropout
from harness.train.engine.layout import Layout

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.encoding import Example
    from harness.methods.forward import Pass
    from harness.train.engine.core import Engine


class Shard(protocols.Shard):
    """A shard whose numbers lie where the engine keeps them."""

    def __init__(self, view: "View", name: str, parameter: Any, start: int, stop: int) -> None:
        self.name, self.start, self.stop = name, start, stop
        self._view, self._parameter = view, parameter
        self.shape = view.shapes[name]

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def weight(self) -> "Tensor":
        return self._view.layout.weight(self._parameter).to(self._view.device, copy=True)

    @property
    def grad(self) -> "Tensor":
        self._view.require_gradients()
        import torch

        gradient = self._view.layout.gradient(self._parameter)
        return gradient.to(self._view.device, torch.float32, copy=True)

    @property
    def rows(self) -> range:
        width = self._row_width
        return range(self.start // width, -(-self.stop // width))

    def by_row(self, values: "Tensor") -> "Tensor":
        import torch

        first, width = self.rows.start, self._row_width
        wide = torch.repeat_interleave(values[first : self.rows.stop], width)
        return wide[self.start - first * width : self.stop - first * width]

    def by_column(self, values: "Tensor") -> "Tensor":
        offset = self.start % self._row_width
        return values.repeat(len(self.rows))[offset : offset + len(self)]

    def cut(self, whole: "Tensor") -> "Tensor":
        return whole.reshape(-1)[self.start : self.stop]

    @property
    def _row_width(self) -> int:
        return self.shape.numel() // self.shape[0]


class View(protocols.View):
    """The trained parameters of a running engine.

    backward(examples, loss) leaves their gradient in the engine; observe(examples, visit) runs the
    model on them.
    """

    def __init__(
        self,
        engine: "Engine",
        backward: Callable[..., Any],
        observe: Callable[..., Any] | None = None,
    ) -> None:
        self.layout: Layout = engine.layout
        self.rank = engine.rank
        self.device, self.first_rank = engine.rank.device, engine.rank.first
        self.index, self.ranks = engine.rank.index, engine.rank.world
        self._engine, self._backward, self._observe = engine, backward, observe
        self._editing, self._final = False, False
        trained = [(name, p) for name, p in engine.module.named_parameters() if p.requires_grad]
        self.shapes = {name: engine.shape(p) for name, p in trained}
        spans = [(name, p, self.layout.span(p)) for name, p in trained]
        self._shards = [Shard(self, name, p, *span) for name, p, span in spans if span is not None]
        held = self.sum_over_shards(sum(len(shard) for shard in self._shards))
        if held != sum(shape.numel() for shape in self.shapes.values()):
            raise RuntimeError("the shards do not cover the model; has DeepSpeed's layout changed?")

    def shards(self) -> Iterator[Shard]:
        return iter(self._shards)

    # Weights

    def weights(self) -> Sharded:
        return {shard.name: shard.weight for shard in self._shards}

    def update_weights(self, change: "Callable[[Shard], Tensor | None]") -> None:
        self._require_open()
        for shard in self._shards:
            value = change(shard)
            if value is not None:
                self.layout.weight(shard._parameter).copy_(_fitting(value, shard))
        self._engine.weights_changed()

    def update_matrices(self, change: "Callable[[str, Tensor], Tensor | None]") -> None:
        self._require_open()
        held = {shard.name: shard for shard in self._shards}
        for name in self.shapes:
            value = change(name, self.gather(name))
            if value is not None and name in held:
                shard = held[name]
                self.layout.weight(shard._parameter).copy_(shard.cut(value))
        self._engine.weights_changed()

    def weights_are_final(self) -> None:
        """For the training loop: from here on the weights are those that the stage hands on."""
        self._final = True

    def _require_open(self) -> None:
        if self._final:
            raise RuntimeError("the stage's weights are final: change them in the hook finish")

    def reset_moments(self) -> None:
        self._engine.reset_moments()

    # Gradients

    def gradients(self) -> Sharded:
        return {shard.name: shard.grad for shard in self._shards}

    def update_gradients(self, change: "Callable[[Shard], Tensor | None]") -> None:
        self.require_gradients()
        for shard in self._shards:
            value = change(shard)
            if value is not None:
                self.layout.set_gradient(shard._parameter, _fitting(value, shard))

    def gradient_of(
        self, examples: "Sequence[Example]", loss: Loss | None = None, host: bool = False
    ) -> Sharded:
        pending = self._kept_gradients(host) if self._editing else None
        self.layout.clear_gradients()
        with without_dropout(self._engine.module, self.device):
            self._backward(examples, loss)
        with self.gradients_open():
            found = self._kept_gradients(host)
        if pending is None:
            self.layout.clear_gradients()
        else:
            self.update_gradients(lambda shard: pending[shard.name].to(self.device))
        return found

    def _kept_gradients(self, host: bool) -> Sharded:
        return {s.name: in_main_memory(s.grad) if host else s.grad for s in self._shards}

    def products(self, others: Sequence[Sharded]) -> list[list[float]]:
        import torch

        from harness.models.weights.tensor_file import spans

        self.require_gradients()
        count = 1 + len(others)
        total = torch.zeros(count, count, dtype=torch.float64, device=self.device)
        for shard in self._shards:
            held = [shard.grad, *(one[shard.name] for one in others)]
            for first, last in spans(0, len(shard)):
                piece = torch.stack([one[first:last].to(self.device) for one in held]).double()
                total += piece @ piece.T
        return self.sum_over_shards(total).tolist()

    def observe(self, examples: "Sequence[Example]", visit: "Callable[[Pass], None]") -> None:
        import torch

        if self._observe is None:
            raise RuntimeError("this view was made without a way to look at examples")
        with torch.no_grad(), without_dropout(self._engine.module, self.device):
            self._observe(examples, visit)

    def union(self, mine: dict[Any, Any]) -> dict[Any, Any]:
        return self.rank.union(mine)

    def require_gradients(self) -> None:
        """Raise RuntimeError unless the gradients of a step are there and will be used."""
        if not self._editing:
            raise RuntimeError(
                "gradients exist between backward and step only: use the hook gradients"
            )

    @contextmanager
    def gradients_open(self) -> Iterator[None]:
        """For the training loop: the time between the last backward pass and the step."""
        before, self._editing = self._editing, True
        try:
            yield
        finally:
            self._editing = before

    # Across ranks

    def sum_over_shards(self, partial: Any) -> Any:
        return partial if self.layout.replicated else self.sum_over_ranks(partial)

    def sum_over_ranks(self, value: Any) -> Any:
        import torch
        import torch.distributed as dist

        tensor = value if torch.is_tensor(value) else torch.tensor(float(value)).double()
        # Ranks add up memory: a transposed matrix on one of them has to lie there like the others'.
        tensor = tensor.to(self.device).clone(memory_format=torch.contiguous_format)
        dist.all_reduce(tensor)
        return tensor if torch.is_tensor(value) else float(tensor)

    def dot(self, left: Mapping[str, "Tensor"], right: Mapping[str, "Tensor"]) -> float:
        import torch

        parts = [left[s.name].double() @ right[s.name].double() for s in self._shards]
        total = torch.stack(parts).sum() if parts else 0.0
        return self.sum_over_shards(float(total))

    def gather(self, name: str, values: Sharded | None = None) -> "Tensor":
        import torch
        import torch.distributed as dist

        shape = self.shapes[name]
        whole = torch.zeros(shape.numel(), device=self.device)
        for shard in self._shards:
            if shard.name == name:
                piece = shard.weight if values is None else values[name]
                whole[shard.start : shard.stop] = piece
        if not self.layout.replicated:
            # Of one piece and zeros, as integers: no bit is lost, the sign of -0.0 neither.
            dist.all_reduce(whole.view(torch.int32))
        return whole.view(shape)


def _fitting(value: "Tensor", shard: Shard) -> "Tensor":
    if tuple(value.shape) != (len(shard),):
        found = list(value.shape)
        raise ValueError(f"{shard.name}: a piece of {len(shard)} elements was given {found}")
    return value
