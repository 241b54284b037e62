"""From the running engine to a model folder: one piece of one weight at a time, through rank 0."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.adapters.lora import is_adapted, is_exported

if TYPE_CHECKING:
    from torch import Tensor

    from harness.train.engine.core import Engine


def export(engine: "Engine", folder: Path) -> None:
    """Write the fp32 masters as a Hugging Face model folder, or the adapter alone as a PEFT folder.

    Collective; rank 0 writes. A model whose stored form transformers has to make from all of its
    weights is gathered there first.
    """
    from harness.models.weights.saving import streams

    if is_adapted(engine.module) or not streams(engine.module):
        _write_whole(engine, folder)
    else:
        _write_streamed(engine, folder)
    engine.rank.barrier()


def _exported(engine: "Engine") -> dict[str, Any]:
    named = engine.module.named_parameters()
    return {name: p for name, p in named if is_exported(engine.module, name, p)}


def _write_whole(engine: "Engine", folder: Path) -> None:
    import torch

    from harness.models.weights.saving import saved_buffers

    weights = {}
    for name, parameter in _exported(engine).items():
        pieces = list(_kept(engine, name, parameter))
        if engine.rank.first:
            weights[name] = torch.cat(pieces).view(engine.shape(parameter))
    if engine.rank.first:
        buffers = {} if is_adapted(engine.module) else saved_buffers(engine.module)
        engine.module.save_pretrained(folder, state_dict=weights | buffers)


def _kept(engine: "Engine", name: str, parameter: Any) -> "Iterator[Tensor]":
    """All pieces on the rank that writes, none on the others, which take part nevertheless."""
    for piece in engine.master_pieces(name, parameter):
        if engine.rank.first:
            yield piece


def _write_streamed(engine: "Engine", folder: Path) -> None:
    from harness.models.weights.saving import (
        asked_names,
        saved_buffers,
        saved_specs,
        write_model,
    )

    module, named = engine.module, _exported(engine)
    buffers = saved_buffers(module)
    specs = saved_specs({name: engine.shape(p) for name, p in named.items()}, module)

    def tensors(name: str) -> "Tensor | Iterator[Tensor]":
        if name in buffers:
            return buffers[name]
        return engine.master_pieces(name, named[name])

    if engine.rank.first:
        write_model(module, folder, specs, tensors)
        return
    for name in asked_names(specs):
        for _ in tensors(name):
            pass
