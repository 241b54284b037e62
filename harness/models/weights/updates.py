"""How far weights went from one model to another, and in how many directions; weight by weight."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from harness.errors import DataError
from harness.models.folders import is_adapter
from harness.models.weights.blocks import Blocks, find_blocks, is_embedding
from harness.models.weights.model_set import ModelSet
from harness.models.weights.tensor_file import PIECE

BEFORE, AFTER = "before the blocks", "after the blocks"


@dataclass(frozen=True)
class Update:
    """What happened to one weight. norm: Frobenius norm of the change; size: that of the weight
    before; rank: the effective rank of the change, None of what is no matrix or did not change;
    full: the largest that it can be."""

    name: str
    elements: int
    norm: float
    size: float
    rank: float | None = None
    full: int | None = None


@dataclass(frozen=True)
class Layer:
    """What happened to a block, or to what is before or after all of them. norm and size are those
    of all its weights together; rank and full are means over its matrices that changed."""

    name: str
    elements: int
    norm: float
    size: float
    rank: float | None
    full: float | None


def layers(before: Path, after: Path, base: Path | None = None) -> list[Layer]:
    """The layers of a model and what they became, in order: embeddings, blocks, the rest.

    before, after: model folders, or PEFT folders of adapters on `base`. A few weights are in memory
    at a time. Raises DataError where folders cannot be read or do not fit each other.
    """
    found: dict[str, list[Update]] = {}
    models = _opened(before, after, base)
    blocks = _blocks(models.sizes)
    for update in _updates(models):
        found.setdefault(_place(update.name, blocks), []).append(update)
    numbered = [str(index) for index in range(blocks.count if blocks else 0)]
    return [_layer(name, found[name]) for name in (BEFORE, *numbered, AFTER) if name in found]


def effective_rank(matrix: Tensor) -> float | None:
    """exp of the entropy of the singular values' shares (Roy and Vetterli, "The effective rank",
    EUSIPCO 2007): 1 for a product of two vectors, min(rows, columns) for an orthogonal matrix;
    None for zeros.

    Singular values are roots of the eigenvalues of the smaller Gram matrix in float64, which finds
    them to about 1e-8 of the largest one.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    rows, columns = wide.shape
    gram = torch.zeros(rows, rows, dtype=torch.float64)
    width = max(1, PIECE // rows)
    for start in range(0, columns, width):
        part = wide[:, start : start + width].double()
        gram.addmm_(part, part.T)
    values = torch.linalg.eigvalsh(gram).clamp_min(0).sqrt()
    total = values.sum()
    if not total > 0:
        return None
    shares = values / total
    return math.exp(float(torch.special.entr(shares).sum()))


def _opened(before: Path, after: Path, base: Path | None) -> ModelSet:
    """The last two models of the set are `before` and `after`."""
    if not is_adapter(before):
        return ModelSet(before, [after])
    if base is None:
        raise DataError(f"{before}: is an adapter, whose base model is not here")
    return ModelSet(base, [before, after])


def _updates(models: ModelSet) -> Iterator[Update]:
    for name, elements in models.sizes.items():
        base, tuned = models.read(name)
        *_, old, new = base, *tuned
        change = new - old
        norm = float(torch.linalg.vector_norm(change, dtype=torch.float64))
        size = float(torch.linalg.vector_norm(old, dtype=torch.float64))
        if change.dim() != 2:
            yield Update(name, elements, norm, size)
            continue
        rank = effective_rank(change) if math.isfinite(norm) else None
        yield Update(name, elements, norm, size, rank, min(change.shape))


def _blocks(sizes: dict[str, int]) -> Blocks | None:
    try:
        return find_blocks(sizes)
    except DataError:
        return None


def _place(name: str, blocks: Blocks | None) -> str:
    index = blocks.index(name) if blocks else None
    if index is not None:
        return str(index)
    return BEFORE if is_embedding(name) else AFTER


def _layer(name: str, updates: list[Update]) -> Layer:
    ranks = [(u.rank, u.full) for u in updates if u.rank is not None and u.full is not None]
    return Layer(
        name,
        sum(update.elements for update in updates),
        math.hypot(*(update.norm for update in updates)),
        math.hypot(*(update.size for update in updates)),
        sum(rank for rank, _ in ranks) / len(ranks) if ranks else None,
        sum(full for _, full in ranks) / len(ranks) if ranks else None,
    )
