"""A base model and models tuned from it, as one stream of corresponding tensors."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from harness.errors import DataError
from harness.models.adapters.merged import AdaptedCheckpoint
from harness.models.folders import is_adapter
from harness.models.weights.blocks import is_embedding, is_head
from harness.models.weights.headers import TensorSpec
from harness.models.weights.reading import Checkpoint, require_folder
from harness.models.weights.tensor_file import TORCH_TYPES, TYPE_NAMES

# What files of the first T5s hold beside the model: copies of `shared`, and a bias of no use.
UNREAD = {
    "encoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
}


class ModelSet:
    """Reads one weight of all models at a time. Raises DataError where they do not correspond.

    specs: what an edited model stores: the base's tensors, each weight in the widest type that a
        full model has it in, or all weights in `dtype` (a safetensors name). An output head that is
        tied to the embedding is not stored, nor what published T5s have and no model reads.
    """

    def __init__(self, base: Path, tuned: list[Path], dtype: str | None = None) -> None:
        self.base = Checkpoint(base)
        self.tuned = [_opened(folder, self.base) for folder in tuned]
        self.count = len(tuned)
        self.on_read: Callable[[int], None] = lambda elements: None
        everyone = [self.base, *self.tuned]
        dropped = _tied_heads(everyone) | _unread(everyone)
        _require_same(everyone, dropped)
        names = [name for name in self.base.specs if name not in dropped]
        self.specs = {name: _stored(name, everyone, dtype) for name in names}
        self.sizes = {name: spec.size for name, spec in self.specs.items() if spec.floating}

    def read(self, name: str) -> tuple[Tensor, list[Tensor]]:
        """One weight of the base and of every tuned model, in float32."""
        base, *tuned = (weight.float() for weight in self.stored(name))
        return base, tuned

    def stored(self, name: str) -> list[Tensor]:
        """One weight of the base and of every tuned model, each in the type that it has there."""
        self.on_read(self.sizes[name])
        return [model.read(name) for model in [self.base, *self.tuned]]

    @property
    def warnings(self) -> list[str]:
        """What the user should know about the models, a line each."""
        return [line for model in self.tuned for line in model.warnings]


def _opened(folder: Path, base: Checkpoint) -> Checkpoint | AdaptedCheckpoint:
    require_folder(folder)
    return AdaptedCheckpoint(base, folder) if is_adapter(folder) else Checkpoint(folder)


def _tied_heads(models: list[Checkpoint | AdaptedCheckpoint]) -> set[str]:
    """Output heads that are the embedding, stored twice by some models and once by others."""
    heads = {name for model in models for name in model.specs if is_head(name)}
    return {head for head in heads if all(_is_tied(model, head) for model in models)}


def _unread(models: list[Checkpoint | AdaptedCheckpoint]) -> set[str]:
    """Tensors of published files that some of the models lack, since no module has them."""
    return {name for name in UNREAD if not all(name in model.specs for model in models)}


def _is_tied(model: Checkpoint | AdaptedCheckpoint, head: str) -> bool:
    """Decided by the weights where the head is stored: a configuration may leave the key out, or
    be wrong."""
    if model.config.get("tie_word_embeddings") is False:
        return False
    if head not in model.specs:
        return True
    embeddings = [
        name
        for name, spec in model.specs.items()
        if spec == model.specs[head] and is_embedding(name)
    ]
    weight = model.read(head)
    return any(torch.equal(model.read(name), weight) for name in embeddings)


def _require_same(models: list[Checkpoint | AdaptedCheckpoint], dropped: set[str]) -> None:
    """The same names and shapes in every model, else an error that names the first difference."""
    base = models[0]
    for model in models[1:]:
        for key in ("model_type", "num_hidden_layers"):
            mine, theirs = model.config.get(key), base.config.get(key)
            if mine != theirs:
                raise DataError(
                    f"{model.folder}: config.json has {key}={mine}, in {base.folder} it is {theirs}"
                )
    names = [name for name in base.specs if name not in dropped]
    for model in models[1:]:
        for name in names:
            if name not in model.specs:
                raise DataError(f"{model.folder}: has no {name}, which {base.folder} has")
            mine, theirs = model.specs[name].shape, base.specs[name].shape
            if mine != theirs:
                raise DataError(
                    f"{model.folder}: {name} has shape {mine}, in {base.folder} it has {theirs}"
                )
        for name in model.specs:
            if name not in base.specs and name not in dropped:
                raise DataError(f"{model.folder}: has {name}, which {base.folder} has not")


def _stored(
    name: str, models: list[Checkpoint | AdaptedCheckpoint], dtype: str | None
) -> TensorSpec:
    spec = models[0].specs[name]
    if not spec.floating:
        return spec
    if dtype is not None:
        return TensorSpec(dtype, spec.shape)
    widest = TORCH_TYPES[spec.dtype]
    for model in models[1:]:
        widest = torch.promote_types(widest, TORCH_TYPES[model.specs[name].dtype])
    return TensorSpec(TYPE_NAMES[widest], spec.shape)
