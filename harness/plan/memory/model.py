"""How large a model is, and how much of it a method trains."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.config import AdapterConfig, HarnessConfig, ModelConfig, ModelKind, Quantization
from harness.config.plain import plain
from harness.config.shape import NEEDED
from harness.models.family import Family, family_of
from harness.models.hub import cached_description
from harness.plan.estimates import weight_count
from harness.plan.memory.seq2seq import of_shape, read_encoder_decoder
from harness.plan.memory.shapes import Shapes

ALL_LINEAR = ["all-linear"]
# Of an adapter where the shapes that it adapts are not known.
ADAPTER_SHARE = 0.01
PACKED_BYTES = 0.52  # 4 bits, and the scales of blocks of 64 weights, which are packed themselves
# The words of config.json for each size: of most models, then of GPT-2 and its kin.
_WORDS = {
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "layers": ("num_hidden_layers", "n_layer"),
    "heads": ("num_attention_heads", "n_head"),
    "kv_heads": ("num_key_value_heads",),
    "head_dim": ("head_dim",),
    "intermediate": ("intermediate_size", "n_inner", "ffn_dim"),
    "vocab": ("vocab_size",),
}


@dataclass(frozen=True)
class Model:
    """weights: all of them; trained: those with a gradient; packed: those that are held in 4 bits.
    Of a model without shapes only what hangs on the number of its weights is known."""

    weights: float
    trained: float
    shapes: Shapes | None
    packed: float = 0.0

    @property
    def largest(self) -> float:
        """Weights of the largest matrix."""
        return 0.0 if self.shapes is None else float(self.shapes.vocab * self.shapes.hidden)

    def held(self, width: int) -> float:
        """Bytes of all weights, `width` bytes each where they are not packed."""
        return width * (self.weights - self.packed) + PACKED_BYTES * self.packed

    def in_4_bits(self) -> "Model":
        """The same with the matrices of its blocks packed; embeddings and head stay."""
        outside = self.largest * (1 if self.shapes and self.shapes.tied else 2)
        return replace(self, packed=max(0.0, self.weights - outside))


def model_of(config: HarnessConfig) -> Model | None:
    """The model of a run as its method trains it; None where nothing says how large it is."""
    shapes = shapes_of(config.model)
    weights = weight_count(config.model) or (shapes.weights() if shapes else None)
    if weights is None:
        return None
    adapter = config.method.adapter
    trained = (
        weights
        if adapter is None
        else adapter_weights(adapter, shapes, weights, family_of(config.model))
    )
    model = Model(weights, trained, shapes)
    return model if config.model.quantization is Quantization.none else model.in_4_bits()


def shapes_of(model: ModelConfig) -> Shapes | None:
    """From the config.json of the folder or of the hub's cache, else from `model.shape`."""
    path = Path(model.path) / "config.json"
    told = json.loads(path.read_text()) if path.is_file() else cached_description(model)
    if told is None and model.shape is not None:
        told = plain(model.shape)
        if model.kind is ModelKind.seq2seq:
            return of_shape(told)
    return None if told is None else read_shapes(told)


def read_shapes(description: Mapping[str, Any]) -> Shapes | None:
    """The sizes that a config.json tells; None where it lacks one that nothing follows from."""
    if description.get("is_encoder_decoder"):
        return read_encoder_decoder(description)
    told = description.get("text_config") or description
    found = {name: _first(told, words) for name, words in _WORDS.items()}
    hidden, layers, heads, vocab = (found[n] for n in ("hidden", "layers", "heads", "vocab"))
    if not (hidden and layers and heads and vocab):
        return None
    return Shapes(
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=found["kv_heads"] or heads,
        head_dim=found["head_dim"] or hidden // heads,
        intermediate=found["intermediate"] or 4 * hidden,
        vocab=vocab,
        tied=bool(told.get("tie_word_embeddings", False)),
        context=_first(told, ("max_position_embeddings", "n_positions")),
    )


def shape_mistakes(model: ModelConfig) -> list[str]:
    """A line for each size in `model.shape` that is none, and where some are missing."""
    told = {} if model.shape is None else plain(model.shape)
    given = {
        name: value
        for name, value in told.items()
        if value is not None and not isinstance(value, bool)
    }
    lines = [
        f"model.shape.{name}={value}: it must be at least 1"
        for name, value in given.items()
        if value < 1
    ]
    missing = [name for name in NEEDED if name not in given]
    if given and missing and not lines:
        lines.append(f"model.shape: sizes count only together; give {', '.join(missing)} as well")
    return lines


def _first(told: Mapping[str, Any], words: tuple[str, ...]) -> int | None:
    return next((int(told[word]) for word in words if told.get(word)), None)


def adapter_weights(
    adapter: AdapterConfig, shapes: Shapes | None, weights: float, family: Family
) -> float:
    """Weights of a low-rank adapter: rank * (inputs + outputs) of every layer that it adapts."""
    if shapes is None:
        return ADAPTER_SHARE * weights
    layers = shapes.linear_layers()
    targets = family.layers(adapter.targets)
    targets = list(layers) if targets == ALL_LINEAR else targets
    # A layer with a name of its own (W_pack, c_attn) is one of queries, keys and values together.
    fused = (shapes.hidden, shapes.queries + 2 * shapes.keys)
    names = [target.rpartition(".")[2] for target in targets]
    each = sum(shapes.times(name) * sum(layers.get(name, fused)) for name in names)
    return float(adapter.rank * each)
