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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Size, Tensor

    from harness.data.encoding import Example
    from harness.methods.forward import Pass


Sharded = dict[str, "Tensor"]
Loss = Callable[["Pass"], "Tensor"]
"""A forward pass -> loss of each of its answer tokens, [n]."""


class Shard(Protocol):
    """This rank's piece of one trained parameter.

    name: the parameter's name in the module; shape: of the whole parameter; start, stop: the piece
    is [start, stop) of the flattened parameter (row-major).
    """

    name: str
    shape: "Size"
    start: int
    stop: int

    def __len__(self) -> int:
        """stop - start."""

    @property
    def weight(self) -> "Tensor":
        """Copy of the fp32 master weights, [stop - start]."""

    @property
    def grad(self) -> "Tensor":
        """Copy of the gradient of the step's mean loss: summed over micro-batches and ranks, not
        clipped; fp32, [stop - start]. Raises RuntimeError outside the hook `gradients`."""

    @property
    def rows(self) -> range:
        """Rows (indices of the first dimension) of which this piece holds at least a part."""

    def by_row(self, values: "Tensor") -> "Tensor":
        """One value per row of the parameter, [shape[0]], repeated for each element here."""

    def by_column(self, values: "Tensor") -> "Tensor":
        """One value per column of a row, [numel / shape[0]], repeated for each element here."""

    def cut(self, whole: "Tensor") -> "Tensor":
        """This piece of a tensor of the parameter's whole shape, [stop - start]."""


class View(Protocol):
    """The trained parameters of a running engine; see the module's text for the rules.

    shapes: shape of every trained parameter by name, the same on all ranks. device: of the shards.
    first_rank: is this rank the one that writes files? index, ranks: which of how many it is.
    """

    shapes: "Mapping[str, Size]"
    device: str
    first_rank: bool
    index: int
    ranks: int

    def shards(self) -> Iterator[Shard]:
        """This rank's shards, in the module's order; may be empty."""

    # Weights

    def weights(self) -> Sharded:
        """Copy of all master weights."""

    def update_weights(self, change: "Callable[[Shard], Tensor | None]") -> None:
        """Collective. Replace the master weights of each shard by `change(shard)`, [len(shard)];
        None leaves them. The next forward pass sees them on every rank. RuntimeError once the
        stage's weights are final."""

    def update_matrices(self, change: "Callable[[str, Tensor], Tensor | None]") -> None:
        """Collective. As `update_weights` with whole parameters: `change(name, weight)` gets one
        gathered fp32 parameter at a time and must give the same result on every rank."""

    def reset_moments(self) -> None:
        """Set the optimizer's moments and its step count to zero."""

    # Gradients

    def gradients(self) -> Sharded:
        """Copy of all gradients of the step; RuntimeError outside the hook `gradients`."""

    def update_gradients(self, change: "Callable[[Shard], Tensor | None]") -> None:
        """Replace the gradient of each shard by `change(shard)`, [len(shard)]; None leaves it.
        Clipping and the optimizer step see it. RuntimeError outside the hook `gradients`."""

    def gradient_of(
        self, examples: "Sequence[Example]", loss: Loss | None = None, host: bool = False
    ) -> Sharded:
        """Collective. Gradient of the mean loss over the answer tokens of `examples` (the same
        list on every rank), by extra backward passes without dropout.

        loss: what to differentiate; the run's objective by default. host: the pieces lie in main
        memory, and so does the gradient under edit meanwhile. Training is untouched: a gradient
        under edit, the random state and the next step stay as they were.
        """

    def products(self, others: Sequence[Sharded]) -> list[list[float]]:
        """Collective. Inner products of the step's gradient (first) and of `others`, each with
        each, over the whole model, summed in fp64; what lies in main memory comes to the device a
        piece at a time. RuntimeError outside the hook `gradients`."""

    # The model on examples

    def observe(self, examples: "Sequence[Example]", visit: "Callable[[Pass], None]") -> None:
        """Collective. The model as it is now on `examples` (the same list on every rank), without
        gradients and dropout: `visit(made)` is called once for each batch, on one rank."""

    def union(self, mine: dict[Any, Any]) -> dict[Any, Any]:
        """Collective. All ranks' entries together; the lowest rank's where they clash."""

    # Across ranks

    def sum_over_shards(self, partial: Any) -> Any:
        """Collective. The sum over the whole model of a number or small tensor that each rank
        computed from its shards; every weight counts once, also where ranks hold replicas."""

    def sum_over_ranks(self, value: Any) -> Any:
        """Collective. The sum of each rank's number (in fp64) or tensor, for what a rank computed
        from its share of the data."""

    def dot(self, left: "Mapping[str, Tensor]", right: "Mapping[str, Tensor]") -> float:
        """Collective. Inner product over the whole model, summed in fp64."""

    def gather(self, name: str, values: Sharded | None = None) -> "Tensor":
        """Collective. One whole parameter in fp32 (or the whole of another sharded quantity), the
        same bits on every rank."""


@dataclass(frozen=True)
class State:
    """What a strategy wants to find again.

    tensors: the same on every rank. sharded: quantities with one value per trained weight.
    values: plain JSON.
    """

    tensors: "Mapping[str, Tensor]" = field(default_factory=dict)
    sharded: Mapping[str, Sharded] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


class SavedState(Protocol):
    """A `State` as it was written, whatever the ranks and the ZeRO stage are now."""

    values: dict[str, Any]

    def tensor(self, name: str) -> "Tensor":
        """One whole tensor, on the CPU; KeyError where it was not saved."""

    def sharded(self, name: str, view: View) -> Sharded | None:
        """This rank's pieces of a sharded quantity, on its device; None where it was not saved."""
