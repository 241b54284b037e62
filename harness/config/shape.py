"""The sizes of a model in the words of its config.json, for a model that is not here yet."""

from dataclasses import dataclass

from harness.config.fields import Section, key


@dataclass
class ShapeConfig(Section):
    hidden_size: int = key("width of the residual stream", "???")
    num_hidden_layers: int = key("number of blocks", "???")
    num_attention_heads: int = key("heads of queries", "???")
    num_key_value_heads: int | None = key(
        "heads of keys and values; null = num_attention_heads", None
    )
    head_dim: int | None = key("width of a head; null = hidden_size / num_attention_heads", None)
    intermediate_size: int = key("width inside a block's feed-forward part", "???")
    vocab_size: int = key("number of tokens", "???")
    tie_word_embeddings: bool = key("the head is the embedding", False)
