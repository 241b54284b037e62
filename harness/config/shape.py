"""The sizes of a model in the words of its config.json, for a model that is not here yet."""

from dataclasses import dataclass

from harness.config.fields import Section, key

# Without all of these nothing is known.
NEEDED = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "vocab_size",
)


@dataclass
class ShapeConfig(Section):
    hidden_size: int | None = key("width of the residual stream", None)
    num_hidden_layers: int | None = key("number of blocks", None)
    num_attention_heads: int | None = key("heads of queries", None)
    num_key_value_heads: int | None = key(
        "heads of keys and values; null = num_attention_heads", None
    )
    head_dim: int | None = key("width of a head; null = hidden_size / num_attention_heads", None)
    intermediate_size: int | None = key("width inside a block's feed-forward part", None)
    vocab_size: int | None = key("number of tokens", None)
    tie_word_embeddings: bool = key("the head is the embedding", False)
