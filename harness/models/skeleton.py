"""A model without its weights, for one that no device holds whole: parameters on torch's device
`meta`, buffers real."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config import ModelConfig
from harness.models.family import family_of
from harness.models.loading import load_model, stored_folder

if TYPE_CHECKING:
    from harness.models.weights.stored import StoredWeights


def load_skeleton(
    model: ModelConfig, source: Path | str, precision: str, device: str
) -> "tuple[Any, StoredWeights] | None":
    """The module that `load_model` would give, its parameters on `meta` and its buffers on
    `device`, and the files with its weights. None where the files do not say what all of it holds:
    then it can be loaded whole only. Raises what `load_model` raises."""
    from harness.models.weights.stored import stored_weights

    loaded = load_model(model, source, precision, "meta")
    stored = stored_weights(loaded, stored_folder(model, source))
    computed = None if stored is None else _buffers(loaded, model)
    if stored is None or computed is None:
        return None
    for name, buffer in computed.items():
        owner, _, own = name.rpartition(".")
        loaded.get_submodule(owner)._buffers[own] = buffer.to(device)
    return (loaded, stored) if not _elsewhere(loaded) else None


def _buffers(loaded: Any, model: ModelConfig) -> dict[str, Any] | None:
    """Its buffers as its classes compute them (rotary frequencies); None where a file has some."""
    import torch
    from accelerate import init_empty_weights

    names = {name for name, _ in loaded.named_buffers()}
    if names & set(loaded.state_dict()):
        return None
    with init_empty_weights(include_buffers=False), torch.random.fork_rng(devices=[]):
        made = (
            family_of(model)
            .model_class()
            .from_config(
                loaded.config, dtype=loaded.dtype, trust_remote_code=model.trust_remote_code
            )
        )
    found = {name: buffer for name, buffer in made.named_buffers() if not buffer.is_meta}
    return found if set(found) == names else None


def _elsewhere(loaded: Any) -> bool:
    """Does a part hold a tensor on `meta` that is neither parameter nor buffer?"""
    import torch

    held = (value for part in loaded.modules() for value in vars(part).values())
    return any(torch.is_tensor(value) and value.is_meta for value in held)
