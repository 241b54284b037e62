"""What a strategy sees of the model in training: fp32 master weights and reduced gradients.

One interface at ZeRO 0-3, on any number of ranks, with and without an adapter. Each rank holds
`Shard`s, flat pieces of the trained parameters; a quantity with one value per weight (an anchor, a
Fisher diagonal) is kept the same way, as `Sharded`: parameter name -> this rank's flat piece. Code
that works element by element is right as it stands; sums over all weights go through
`sum_over_shards`; what needs a whole matrix gathers one at a time.

Tensors read from the view are copies; nothing is written but by `update_weights`,
`update_gradients` and `update_matrices`. Every method marked "collective" must be called by all
ranks in the same order, also by a rank that holds no shard.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.train.engine.dropout import without_dropout
from harness.train.engine.layout import Layout

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.batches import MicroBatch
    from harness.data.encoding import Example
    from harness.train.engine.core import Engine


Sharded = dict[str, "Tensor"]
TokenLoss = Callable[["MicroBatch", "Tensor"], "Tensor"]
"""(batch, logits [n, vocabulary] at its answer tokens) -> loss of each answer token, [n]."""


class Shard:
    """This rank's piece of one trained parameter.

    name: the parameter's name in the module; shape: of the whole parameter; start, stop: the piece
    is [start, stop) of the flattened parameter (row-major).
    """

    def __init__(self, view: "View", name: str, parameter: Any, start: int, stop: int) -> None:
        self.name, self.start, self.stop = name, start, stop
        self._view, self._parameter = view, parameter
        self.shape = view.shapes[name]

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def weight(self) -> "Tensor":
        """Copy of the fp32 master weights, [stop - start]."""
        return self._view.layout.weight(self._parameter).clone()

    @property
    def grad(self) -> "Tensor":
        """Copy of the gradient of the step's mean loss: summed over micro-batches and ranks, not
        clipped; fp32, [stop - start]. Raises RuntimeError outside `edit_gradients`."""
        self._view.require_gradients()
        return self._view.layout.gradient(self._parameter).float().clone()

    @property
    def rows(self) -> range:
        """Rows (indices of the first dimension) of which this piece holds at least a part."""
        width = self._row_width
        return range(self.start // width, -(-self.stop // width))

    def by_row(self, values: "Tensor") -> "Tensor":
        """One value per row of the parameter, [shape[0]], repeated for each element here."""
        import torch

        first, width = self.rows.start, self._row_width
        wide = torch.repeat_interleave(values[first : self.rows.stop], width)
        return wide[self.start - first * width : self.stop - first * width]

    def by_column(self, values: "Tensor") -> "Tensor":
        """One value per column of a row, [numel / shape[0]], repeated for each element here."""
        offset = self.start % self._row_width
        return values.repeat(len(self.rows))[offset : offset + len(self)]

    def cut(self, whole: "Tensor") -> "Tensor":
        """This piece of a tensor of the parameter's whole shape, [stop - start]."""
        return whole.reshape(-1)[self.start : self.stop]

    @property
    def _row_width(self) -> int:
        return self.shape.numel() // self.shape[0]


class View:
    """The trained parameters of a running engine; see the module's text for the rules.

    shapes: shape of every trained parameter by name, the same on all ranks. seed: the run's seed.
    learning_rate: of the current optimizer step. device: of the shards.
    first_rank: is this rank the one that writes files?
    """

    def __init__(
        self,
        engine: "Engine",
        backward: Callable[..., Any],
        seed: int,
        observe: Callable[..., Any] | None = None,
    ) -> None:
        self.layout: Layout = engine.layout
        self.seed = seed
        self.device, self.first_rank = engine.rank.device, engine.rank.first
        self.learning_rate = 0.0
        self._engine, self._backward, self._observe = engine, backward, observe
        self._editing, self._final = False, False
        trained = [(name, p) for name, p in engine.module.named_parameters() if p.requires_grad]
        self.shapes = {name: _whole_shape(p) for name, p in trained}
        spans = [(name, p, self.layout.span(p)) for name, p in trained]
        self._shards = [Shard(self, name, p, *span) for name, p, span in spans if span is not None]
        held = self.sum_over_shards(sum(len(shard) for shard in self._shards))
        if held != sum(shape.numel() for shape in self.shapes.values()):
            raise RuntimeError("the shards do not cover the model; has DeepSpeed's layout changed?")

    def shards(self) -> Iterator[Shard]:
        """This rank's shards, in the module's order; may be empty."""
        return iter(self._shards)

    # Weights

    def weights(self) -> Sharded:
        """Copy of all master weights."""
        return {shard.name: shard.weight for shard in self._shards}

    def update_weights(self, change: "Callable[[Shard], Tensor | None]") -> None:
        """Collective. Replace the master weights of each shard by `change(shard)`, [len(shard)];
        None leaves them. The next forward pass sees them on every rank. RuntimeError once the
        stage's weights are final."""
        self._require_open()
        for shard in self._shards:
            value = change(shard)
            if value is not None:
                self.layout.weight(shard._parameter).copy_(_fitting(value, shard))
        self._engine.weights_changed()

    def update_matrices(self, change: "Callable[[str, Tensor], Tensor | None]") -> None:
        """Collective. As `update_weights` with whole parameters: `change(name, weight)` gets one
        gathered fp32 parameter at a time and must give the same result on every rank."""
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
            raise RuntimeError("the stage's weights are final: change them in finish_weights")

    def reset_moments(self) -> None:
        """Set the optimizer's moments and its step count to zero."""
        self._engine.reset_moments()

    # Gradients

    def gradients(self) -> Sharded:
        """Copy of all gradients of the step; RuntimeError outside `edit_gradients`."""
        return {shard.name: shard.grad for shard in self._shards}

    def update_gradients(self, change: "Callable[[Shard], Tensor | None]") -> None:
        """Replace the gradient of each shard by `change(shard)`, [len(shard)]; None leaves it.
        Clipping and the optimizer step see it. Raises RuntimeError outside `edit_gradients`."""
        self.require_gradients()
        for shard in self._shards:
            value = change(shard)
            if value is not None:
                self.layout.set_gradient(shard._parameter, _fitting(value, shard))

    def gradient_of(
        self, examples: "Sequence[Example]", token_loss: TokenLoss | None = None
    ) -> Sharded:
        """Collective. Gradient of the mean loss over the answer tokens of `examples` (the same
        list on every rank), by extra backward passes without dropout.

        token_loss: what to differentiate; the run's objective by default. Training is untouched:
        a gradient under edit, the random state and the next step stay as they were.
        """
        pending = self.gradients() if self._editing else None
        self.layout.clear_gradients()
        with without_dropout(self._engine.module, self.device):
            self._backward(examples, token_loss)
        with self.gradients_open():
            found = self.gradients()
        if pending is None:
            self.layout.clear_gradients()
        else:
            self.update_gradients(lambda shard: pending[shard.name])
        return found

    def observe(
        self, examples: "Sequence[Example]", visit: "Callable[[MicroBatch, Tensor], None]"
    ) -> None:
        """Collective. The model as it is now on `examples` (the same list on every rank), without
        gradients and dropout: `visit(batch, logits)` is called once for each batch, on one rank."""
        import torch

        if self._observe is None:
            raise RuntimeError("this view was made without a way to look at examples")
        with torch.no_grad(), without_dropout(self._engine.module, self.device):
            self._observe(examples, visit)

    def union(self, mine: dict[Any, Any]) -> dict[Any, Any]:
        """Collective. All ranks' entries together; the lowest rank's where they clash."""
        import torch.distributed as dist

        found: list[dict[Any, Any]] = [{} for _ in range(dist.get_world_size())]
        dist.all_gather_object(found, mine)
        return {key: value for part in reversed(found) for key, value in part.items()}

    def require_gradients(self) -> None:
        """Raise RuntimeError unless the gradients of a step are there and will be used."""
        if not self._editing:
            raise RuntimeError(
                "gradients exist between backward and step only: use the hook edit_gradients"
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
        """Collective. The sum over the whole model of a number or small tensor that each rank
        computed from its shards; every weight counts once, also where ranks hold replicas."""
        return partial if self.layout.replicated else self.sum_over_ranks(partial)

    def sum_over_ranks(self, value: Any) -> Any:
        """Collective. The sum of each rank's number (in fp64) or tensor, for what a rank computed
        from its share of the data."""
        import torch
        import torch.distributed as dist

        tensor = value.clone() if torch.is_tensor(value) else torch.tensor(float(value)).double()
        tensor = tensor.to(self.device)
        dist.all_reduce(tensor)
        return tensor if torch.is_tensor(value) else float(tensor)

    def dot(self, left: Mapping[str, "Tensor"], right: Mapping[str, "Tensor"]) -> float:
        """Collective. Inner product over the whole model, summed in fp64."""
        import torch

        parts = [left[s.name].double() @ right[s.name].double() for s in self._shards]
        total = torch.stack(parts).sum() if parts else 0.0
        return self.sum_over_shards(float(total))

    def gather(self, name: str, values: Sharded | None = None) -> "Tensor":
        """Collective. One whole parameter in fp32 (or the whole of another sharded quantity), the
        same bits on every rank."""
        import torch
        import torch.distributed as dist

        shape = self.shapes[name]
        whole = torch.zeros(shape.numel(), device=self.device)
        for shard in self._shards:
            if shard.name == name:
                piece = shard.weight if values is None else values[name]
                whole[shard.start : shard.stop] = piece
        if not self.layout.replicated:
            dist.all_reduce(whole)  # of one piece and zeros: exact
        return whole.view(shape)


def _fitting(value: "Tensor", shard: Shard) -> "Tensor":
    if tuple(value.shape) != (len(shard),):
        found = list(value.shape)
        raise ValueError(f"{shard.name}: a piece of {len(shard)} elements was given {found}")
    return value


def _whole_shape(parameter: Any) -> Any:
    return getattr(parameter, "ds_shape", parameter.shape)  # ZeRO 3 empties the tensor itself
