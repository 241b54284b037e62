"""Subspaces of gradients and weights: what the strategies share that project.

A projection is unique and its basis is not: a decomposition may give other signs and rotations on
another rank. So one rank, the matrix's owner, works on a whole matrix, and the others take what it
found. The owners' work and their bases are spread over the ranks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.methods.view import Shard, Sharded, View
from harness.store.pulse import beat

if TYPE_CHECKING:
    from torch import Size, Tensor


DEPENDENT = 1e-4  # what is left of a vector below this part of its length is rounding of gradients


def block_matrices(shapes: "Mapping[str, Size]") -> list[str]:
    """The trained matrices inside the model's blocks: no embedding, head or norm, and no experts
    that are fused into one tensor of three dimensions. `shapes` as of a view."""
    from harness.models.weights.blocks import find_blocks, is_embedding

    blocks = find_blocks({name: shape.numel() for name, shape in shapes.items()})
    inside = [n for n, shape in shapes.items() if len(shape) == 2 and blocks.index(n) is not None]
    return [n for n in inside if not is_embedding(n)]  # such as T5's biases of positions


def transposed(model: Any) -> set[str]:
    """The weights that are [inputs, outputs], where a linear layer's are [outputs, inputs]."""
    from transformers.pytorch_utils import Conv1D

    layers = (name for name, module in model.named_modules() if isinstance(module, Conv1D))
    return {f"{name}.weight" for name in layers}


def owners(shapes: "Mapping[str, Size]", names: Sequence[str], ranks: int) -> dict[str, int]:
    """A rank for each matrix, so that all have about as much to do: the costly ones first, each to
    whom has least."""
    cost = {name: shapes[name].numel() * min(shapes[name]) for name in names}
    load, owner = [0] * ranks, {}
    for name in sorted(names, key=lambda name: -cost[name]):
        owner[name] = load.index(min(load))
        load[owner[name]] += cost[name]
    return owner


@dataclass
class Matrices:
    """Matrices of a running model, each with an owner. names: in the module's order."""

    view: View
    names: Sequence[str]

    def __post_init__(self) -> None:
        self.owner = owners(self.view.shapes, self.names, self.view.ranks)

    def mine(self, name: str) -> bool:
        """Is this rank the matrix's owner?"""
        return self.owner[name] == self.view.index

    def whole(self, read: "Callable[[Shard], Tensor]") -> "Iterator[tuple[str, Tensor]]":
        """Collective. One matrix after the other: its name and what `read` gives for its pieces,
        gathered, [rows, columns]; the same bits on every rank."""
        shards = {shard.name: shard for shard in self.view.shards()}
        for name in self.names:
            beat(patient=True)  # a decomposition may take minutes
            pieces = {name: read(shards[name])} if name in shards else {}
            yield name, self.view.gather(name, pieces)
        beat()

    def shared(self, name: str, value: "Tensor") -> "Tensor":
        """Collective. The owner's value on every rank; the others give one of its shape."""
        return self.view.sum_over_ranks(value if self.mine(name) else value.new_zeros(value.shape))

    def changed(
        self, read: "Callable[[Shard], Tensor]", change: "Callable[[str, Tensor], Tensor]"
    ) -> Sharded:
        """Collective. This rank's pieces of `change(name, matrix)`, which has the matrix's shape
        and is asked of its owner alone, for each matrix of `whole(read)`."""
        found: Sharded = {}
        shards = {shard.name: shard for shard in self.view.shards()}
        for name, matrix in self.whole(read):
            edited = self.shared(name, change(name, matrix) if self.mine(name) else matrix)
            if name in shards:
                found[name] = shards[name].cut(edited).clone()
        return found


@dataclass(frozen=True)
class Projection:
    """Onto the span of orthonormal columns, or onto what is orthogonal to it.

    basis: [dimension, k]. onto: the span itself, or else its complement.
    """

    basis: "Tensor"
    onto: bool

    def columns(self, matrix: "Tensor") -> "Tensor":
        """Each column of a matrix projected, [dimension, n]."""
        inside = self.basis @ (self.basis.T @ matrix)
        return inside if self.onto else matrix - inside

    def rows(self, matrix: "Tensor") -> "Tensor":
        """Each row of a matrix projected, [n, dimension]."""
        return self.columns(matrix.T).T


def beyond(kept: "Tensor", rest: "Tensor") -> Projection:
    """The projection onto what is orthogonal to the columns of `kept`, held by the smaller basis:
    `rest` is the complement's where both together are a whole square."""
    whole = kept.shape[1] + rest.shape[1] == kept.shape[0]
    if whole and rest.shape[1] < kept.shape[1]:
        return Projection(rest.contiguous(), onto=True)
    return Projection(kept.contiguous(), onto=False)


def extend(view: View, basis: list[Sharded], vectors: Iterator[Sharded]) -> list[Sharded]:
    """Collective. `basis`, orthonormal over the whole model, and behind it the directions that
    `vectors` add (Gram-Schmidt, each vector twice, since once is not enough in floating point).

    A vector of which less than DEPENDENT of its length is new adds nothing; new directions take the
    memory of the vectors.
    """
    basis = list(basis)
    for vector in vectors:
        length = before = products(view, vector, [vector])[0] ** 0.5
        for _ in range(2):
            along = products(view, vector, basis)
            for part, one in zip(along, basis, strict=True):
                for name, values in vector.items():
                    values.sub_(one[name], alpha=part)
            length = products(view, vector, [vector])[0] ** 0.5
        if length > DEPENDENT * before:
            for values in vector.values():
                values.div_(length)
            basis.append(vector)
    return basis


def products(view: View, vector: Sharded, others: Sequence[Sharded]) -> list[float]:
    """Collective. Inner products over the whole model with each of `others`, summed in fp64, in one
    reduction; the others' numbers come to where the vector's are, a piece at a time."""
    import torch

    from harness.models.weights.tensor_file import spans

    total = torch.zeros(len(others), dtype=torch.float64, device=view.device)
    for name, values in vector.items():
        for first, last in spans(0, len(values) if others else 0):
            wide = values[first:last].double()
            for index, other in enumerate(others):
                total[index] += wide @ other[name][first:last].to(wide.device).double()
    return view.sum_over_shards(total).tolist()
