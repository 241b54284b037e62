"""Where a weight sits in a model: which repeated block, or before or after them; from its path."""

from dataclasses import dataclass

from harness.errors import DataError

HEADS = ("lm_head", "embed_out")
_EMBEDDINGS = ("wte", "wpe")


@dataclass(frozen=True)
class Blocks:
    """The stack of repeated blocks, `<prefix>.0` to `<prefix>.<count - 1>`."""

    prefix: str
    count: int

    def index(self, name: str) -> int | None:
        """Number of the block that holds a weight, None outside the stack."""
        place = _first_number(name)
        return place[1] if place is not None and place[0] == self.prefix else None


def find_blocks(sizes: dict[str, int]) -> Blocks:
    """The stack with most of the weights; `sizes` maps names to numbers of elements.

    A stack is told by the first number in a path, so that a block's own lists (experts.3) are no
    stacks. Raises DataError where there is none, or where its numbers have a gap.
    """
    stacks: dict[str, int] = {}
    numbers: dict[str, set[int]] = {}
    for name, size in sizes.items():
        place = _first_number(name)
        if place is not None:
            stacks[place[0]] = stacks.get(place[0], 0) + size
            numbers.setdefault(place[0], set()).add(place[1])
    if not stacks:
        raise DataError("no layers: no weight's path holds a block number (as model.layers.0)")
    prefix = max(stacks, key=lambda found: stacks[found])
    count = len(numbers[prefix])
    if numbers[prefix] != set(range(count)):
        raise DataError(f"{prefix}: its blocks are not numbered 0 to {count - 1} without a gap")
    return Blocks(prefix, count)


def is_embedding(name: str) -> bool:
    """True for a weight outside the blocks that acts before them, by its module's name."""
    parts = name.split(".")
    if any(part in HEADS for part in parts):
        return False
    return any(part in _EMBEDDINGS or "emb" in part for part in parts)


def is_head(name: str) -> bool:
    """True for the output head's weight."""
    module = name.rpartition(".")[0]
    return module.rpartition(".")[2] in HEADS


def _first_number(name: str) -> tuple[str, int] | None:
    parts = name.split(".")
    for at, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[:at]), int(part)
    return None
