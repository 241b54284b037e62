"""The sizes of an encoder-decoder (T5's), and what autograd keeps of its blocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.plan.memory.shapes import Shapes

FP32 = 4


@dataclass(frozen=True)
class EncoderDecoder(Shapes):
    """layers: blocks of both; decoder: those of the decoder, which attend to themselves and to what
    the encoder gave; gated: is there a second matrix into the feed-forward part?"""

    decoder: int = 0
    gated: bool = False

    @property
    def cached(self) -> int:
        """Blocks with keys and values that generation keeps."""
        return self.decoder

    def linear_layers(self) -> dict[str, tuple[int, int]]:
        """See Shapes; by T5's names."""
        hidden, inner, heads = self.hidden, self.intermediate, self.queries
        into = ("wi_0", "wi_1") if self.gated else ("wi",)
        return {
            **dict.fromkeys(("q", "k", "v"), (hidden, heads)),
            "o": (heads, hidden),
            **dict.fromkeys(into, (hidden, inner)),
            "wo": (inner, hidden),
        }

    def times(self, layer: str) -> int:
        """See Shapes."""
        return self.layers + (self.decoder if layer in ("q", "k", "v", "o") else 0)

    def activations(self, width: int, prompts: int, answers: int, longest: int) -> float:
        """Bytes of a pass over so many tokens of prompts and of answers, where the longest prompt
        has `longest`. Counted as of a Llama's blocks; each block keeps a mask of its own, with
        the biases of positions in it: a number for each head, token and place that it sees."""
        norm = (FP32 + 2 * width) * self.hidden
        inside = width * (4 if self.gated else 2) * self.intermediate
        attention = 4 * width * self.queries
        scores = width * self.heads * longest
        read = prompts * (2 * norm + inside + attention + scores)
        crossing = prompts * 2 * width * self.queries  # keys and values of what was read
        written = answers * (3 * norm + inside + 2 * attention + 2 * scores)
        return float((self.layers - self.decoder) * read + self.decoder * (written + crossing))


def read_encoder_decoder(told: Mapping[str, Any]) -> EncoderDecoder | None:
    """From T5's config.json; None where it lacks a size. Positions are relative: no context."""
    needed = ("d_model", "num_layers", "num_heads", "d_ff", "vocab_size")
    if not all(told.get(name) for name in needed):
        return None
    encoder, heads = int(told["num_layers"]), int(told["num_heads"])
    decoder = int(told.get("num_decoder_layers") or encoder)
    return EncoderDecoder(
        hidden=int(told["d_model"]),
        layers=encoder + decoder,
        heads=heads,
        kv_heads=heads,
        head_dim=int(told.get("d_kv") or told["d_model"] // heads),
        intermediate=int(told["d_ff"]),
        vocab=int(told["vocab_size"]),
        tied=told.get("tie_word_embeddings") is not False,
        decoder=decoder,
        gated=str(told.get("feed_forward_proj", "relu")).startswith("gated"),
    )


def of_shape(shape: Mapping[str, Any]) -> EncoderDecoder | None:
    """From the keys of `model.shape`: as many blocks in the decoder as in the encoder; gates where
    the head is no embedding, as from T5 1.1 on."""
    return read_encoder_decoder(
        {
            "d_model": shape["hidden_size"],
            "num_layers": shape["num_hidden_layers"],
            "num_heads": shape["num_attention_heads"],
            "d_kv": shape["head_dim"],
            "d_ff": shape["intermediate_size"],
            "vocab_size": shape["vocab_size"],
            "tie_word_embeddings": shape["tie_word_embeddings"],
            "feed_forward_proj": "relu" if shape["tie_word_embeddings"] else "gated-gelu",
        }
    )
