"""The sizes of a model, as far as memory hangs on them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shapes:
    """The sizes of a decoder. context: most tokens that it takes; None where nothing says it."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    tied: bool
    context: int | None = None

    @property
    def queries(self) -> int:
        """Width of all heads of queries together."""
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        """Width of all heads of keys together."""
        return self.kv_heads * self.head_dim

    def linear_layers(self) -> dict[str, tuple[int, int]]:
        """(inputs, outputs) of a block's matrices by their usual names."""
        hidden, inner = self.hidden, self.intermediate
        return {
            "q_proj": (hidden, self.queries),
            "k_proj": (hidden, self.keys),
            "v_proj": (hidden, self.keys),
            "o_proj": (self.queries, hidden),
            "gate_proj": (hidden, inner),
            "up_proj": (hidden, inner),
            "down_proj": (inner, hidden),
        }

    @property
    def cached(self) -> int:
        """Blocks with keys and values that generation keeps."""
        return self.layers

    def times(self, layer: str) -> int:
        """How many matrices of a name the model has."""
        return self.layers

    def weights(self) -> float:
        """All matrices of a model of these sizes."""
        layers = self.linear_layers().items()
        blocks = sum(self.times(name) * inputs * outputs for name, (inputs, outputs) in layers)
        return float(self.vocab * self.hidden * (1 if self.tied else 2) + blocks)
