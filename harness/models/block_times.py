"""What a number format costs on this CPU: a decoder's block, forward and backward, timed in each.

Units for bf16 (AMX, AVX512-bf16) make matrices several times faster and nothing else; without them
bf16 is several times slower. So what is timed is a whole block, with the norms, the rotation, the
attention and the sums between its matrices: of a Llama of 128 they take more time than those, and
what its matrices gain is lost there.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = 256  # of the pass that is timed, at most; at 512 blocks gained a tenth to a sixth more
WIDEST = 384  # a wider block is timed at this width, and gains rather more than is told
NARROWEST = 256  # of a narrower model's step so little is matrices that no format is clearly faster
_TIMED = 2  # passes in each format, of which the faster one counts, after one that prepares kernels


@dataclass(frozen=True)
class BlockSizes:
    """Widths of a block: its input, all heads together, those of the keys, a head, the inner one of
    the feed-forward part."""

    hidden: int
    queries: int
    keys: int
    head: int
    inner: int

    def narrowed(self) -> "BlockSizes":
        """The same proportions, no wider than `WIDEST`."""
        if self.hidden <= WIDEST:
            return self
        share = WIDEST / self.hidden
        groups = max(1, self.queries // self.keys)
        keys = max(1, round(self.keys * share / self.head)) * self.head
        return BlockSizes(WIDEST, keys * groups, keys, self.head, round(self.inner * share))


@dataclass(frozen=True)
class BlockTimes:
    """Seconds of a block's forward and backward pass in each format, of all threads together."""

    fp32: float
    bf16: float


def block_times(sizes: BlockSizes, tokens: int) -> BlockTimes:
    """Time a block with random weights on the threads of this process, which takes 0.2 s of a core.
    Draws from a source of its own, so that nothing else changes."""
    import torch

    sizes, tokens = sizes.narrowed(), min(tokens, TOKENS)
    passes = [_Block(sizes, tokens, kind) for kind in (torch.float32, torch.bfloat16)]
    rounds = [[one.seconds() for one in passes] for _ in range(1 + _TIMED)][1:]
    fp32, bf16 = (min(each) for each in zip(*rounds, strict=True))
    return BlockTimes(fp32, bf16)


class _Block:
    """The arithmetic of a Llama's block, without its modules."""

    def __init__(self, sizes: BlockSizes, tokens: int, kind: Any) -> None:
        import torch

        source = torch.Generator().manual_seed(0)

        def drawn(*shape: int) -> Any:
            return (0.02 * torch.randn(shape, generator=source)).to(kind).requires_grad_()

        hidden, inner = sizes.hidden, sizes.inner
        self.head = sizes.head
        self.into = [drawn(width, hidden) for width in (sizes.queries, sizes.keys, sizes.keys)]
        self.out = drawn(hidden, sizes.queries)
        self.gate, self.up, self.down = (
            drawn(inner, hidden), drawn(inner, hidden), drawn(hidden, inner),
        )  # fmt: skip
        self.norms = drawn(hidden), drawn(hidden)
        self.turn = drawn(tokens, self.head).detach()
        self.given = drawn(tokens, hidden)

    def seconds(self) -> float:
        """Of one forward and backward pass: of the processor, which other work beside disturbs
        least."""
        weights = [*self.into, self.out, self.gate, self.up, self.down, *self.norms, self.given]
        for weight in weights:
            weight.grad = None
        began = time.process_time()
        made = self._forward()
        made.backward(made.detach())
        return time.process_time() - began

    def _forward(self) -> "Tensor":
        from torch.nn.functional import linear, silu

        attended = self.given + linear(self._attend(_norm(self.given, self.norms[0])), self.out)
        seen = _norm(attended, self.norms[1])
        return attended + linear(silu(linear(seen, self.gate)) * linear(seen, self.up), self.down)

    def _attend(self, seen: "Tensor") -> "Tensor":
        from torch.nn.functional import linear, scaled_dot_product_attention

        made = (linear(seen, weight) for weight in self.into)
        query, key, value = (
            one.unflatten(-1, (-1, self.head)).transpose(0, 1)[None] for one in made
        )
        query, key = (one * self.turn + _halves_turned(one) * self.turn for one in (query, key))
        attended = scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        return attended[0].transpose(0, 1).flatten(1)


def _norm(rows: "Tensor", weight: "Tensor") -> "Tensor":
    """RMSNorm, which is computed in fp32 whatever the format is."""
    exact = rows.float()
    scaled = exact * (exact.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
    return weight * scaled.to(rows.dtype)


def _halves_turned(rows: "Tensor") -> "Tensor":
    import torch

    first, second = rows.chunk(2, -1)
    return torch.cat((-second, first), -1)
