"""A module of transformers as a model folder, written tensor by tensor: the files that its own
`save_pretrained` writes, without a dictionary of all weights."""

from pathlib import Path
from typing import Any

from harness.models.weights.headers import TensorSpec
from harness.models.weights.tensor_file import Source, spec_of
from harness.models.weights.writing import asked_order, write_weights

SHARD_BYTES = 50 * 10**9  # as transformers' save_pretrained


def streams(model: Any) -> bool:
    """Are its parameters stored under their own names, as they are? Of a module that was not
    loaded from files, or whose weights transformers converted, that is not known."""
    return getattr(model, "_weight_conversions", None) == []


def saved_buffers(model: Any) -> dict[str, Any]:
    """The buffers that belong to the model's files, on the CPU."""
    names = set(model.state_dict())
    return {name: buffer.cpu() for name, buffer in model.named_buffers() if name in names}


def saved_specs(shapes: dict[str, tuple[int, ...]], model: Any) -> dict[str, TensorSpec]:
    """What the files hold: every parameter in fp32 (`shapes`: its whole shape by name), buffers in
    their type."""
    left_out = set(model._keys_to_ignore_on_save or ())
    specs = {name: TensorSpec("F32", shape) for name, shape in shapes.items()}
    specs |= {name: spec_of(buffer) for name, buffer in saved_buffers(model).items()}
    return {name: spec for name, spec in specs.items() if name not in left_out}


def write_model(model: Any, folder: Path, specs: dict[str, TensorSpec], tensors: Source) -> None:
    """Write configuration and weights; `tensors` is asked in the order of `asked_names`."""
    model.save_pretrained(folder, state_dict={})  # what lies beside the weights
    write_weights(folder, specs, tensors, SHARD_BYTES)


def asked_names(specs: dict[str, TensorSpec]) -> list[str]:
    """In which order `write_model` asks for tensors."""
    return asked_order(specs, SHARD_BYTES)
