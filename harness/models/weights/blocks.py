"""Where a weight sits in a model: which repeated block, or before or after them; from its path."""

from dataclasses import dataclass

from harness.errors import DataError

HEADS = ("lm_head", "embed_out")
_EMBEDDINGS = ("wte", "wpe", "shared", "relative_attention_bias")


@dataclass(frozen=True)
class Blocks:
    """The repeated blocks, `<prefix>.0` to `<prefix>.<count - 1>`. Of an encoder-decoder those of
    the decoder, `<later>.0` and so on, are numbered behind the encoder's `first`, as a text goes
    through them."""

    prefix: str
    count: int
    later: str | None = None
    first: int = 0

    def index(self, name: str) -> int | None:
        """Number of the block that holds a weight, None outside them."""
        place = _first_number(name)
        if place is None or place[0] not in (self.prefix, self.later):
            return None
        return place[1] + (self.first if place[0] == self.later else 0)


def find_blocks(sizes: dict[str, int]) -> Blocks:
    """The stack with most of the weights, or that of an encoder and of its decoder; `sizes` maps
    names to numbers of elements.

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
    encoder = prefix.replace("decoder", "encoder")
    decoder = encoder.replace("encoder", "decoder")
    both = encoder != decoder and {encoder, decoder} <= set(stacks)
    counts = {}
    for stack in (encoder, decoder) if both else (prefix,):
        counts[stack] = len(numbers[stack])
        if numbers[stack] != set(range(counts[stack])):
            last = counts[stack] - 1
            raise DataError(f"{stack}: its blocks are not numbered 0 to {last} without a gap")
    if both:
        return Blocks(encoder, sum(counts.values()), decoder, counts[encoder])
    return Blocks(prefix, counts[prefix])


def is_embedding(name: str) -> bool:
    """True for a weight that is looked up: outside the blocks, where it acts before them, and the
    biases of positions that T5 has in its first ones. By its module's name."""
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
