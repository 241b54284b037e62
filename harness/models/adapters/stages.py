"""What becomes of an adapter between two tasks: one goes on, adapters stack up, or they merge.

`keep` trains one adapter through the whole sequence. `stack` and `merge` start every task with
a fresh one on top of the sum so far (incremental low-rank updates, arXiv 2405.18069): they compute
the same, but `stack` keeps the initial model and writes one adapter whose rank grows (as O-LoRA,
arXiv 2310.14152), while `merge` adds each update to the weights and writes whole models.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config import AdapterConfig, BetweenTasks, ModelConfig, Quantization
from harness.models.adapters.described import CARD, describe
from harness.models.adapters.lora import (
    combine,
    load_adapter,
    merged,
    new_adapter,
    order_names,
)
from harness.models.family import family_of
from harness.models.folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS, is_adapter
from harness.models.loading import load_model, stored_folder
from harness.models.skeleton import load_skeleton

if TYPE_CHECKING:
    from harness.models.adapters.merged import AdaptedCheckpoint
    from harness.models.weights.stored import StoredWeights


@dataclass(frozen=True)
class Cut:
    """What ranks that share the weights (ZeRO 3) do together. part: takes a skeleton and its
    weights, leaves a rank its part of them; agree: is it true on all ranks?"""

    part: "Callable[[Any, StoredWeights], None]"
    agree: Callable[[bool], bool]


def start_model(
    model: ModelConfig,
    adapter: AdapterConfig | None,
    parent: Path | str,
    stage: int,
    precision: str = "fp32",
    device: str = "cpu",
    cut: Cut | None = None,
) -> "tuple[Any, StoredWeights | None]":
    """The module that a stage trains: the stage before, with the adapter that it needs.

    cut: where the ranks share the weights (ZeRO 3), which call this together then. A full model
    comes as a skeleton, not yet cut; the base of an adapter is cut. Models whose files do not say
    all of them, and stages of stacked adapters, come whole.
    In bf16 its weights are rounded, but for an adapter's; what a full model's were is in its files,
    which come second. None where the module holds all there is to know of what is trained.
    """
    if adapter is None:
        found = _skeleton(model, parent, precision, device, cut)
        return found or _full_model(model, parent, precision, device)
    family = family_of(model)
    if adapter.between_tasks is BetweenTasks.merge:
        return new_adapter(_base(model, parent, precision, device, cut), adapter, family), None
    if stage > 1 and adapter.between_tasks is BetweenTasks.stack:
        return new_adapter(load_stage(model, parent, precision, device), adapter, family), None
    base = _base(model, model.path, precision, device, cut)
    if stage == 1:
        return new_adapter(base, adapter, family), None
    return load_adapter(base, parent, trainable=True), None


def _base(
    model: ModelConfig, source: Path | str, precision: str, device: str, cut: Cut | None
) -> Any:
    """What an adapter is put on; it looks for its device and type at the weights."""
    found = _skeleton(model, source, precision, device, cut)
    if cut is None or found is None:
        return load_model(model, source, precision, device)
    cut.part(*found)
    return found[0]


def _skeleton(
    model: ModelConfig, source: Path | str, precision: str, device: str, cut: Cut | None
) -> "tuple[Any, StoredWeights] | None":
    """None on all ranks where one has none, as of files that only some of them see."""
    if cut is None:
        return None
    found = load_skeleton(model, source, precision, device)
    return found if cut.agree(found is not None) else None


def _full_model(
    model: ModelConfig, parent: Path | str, precision: str, device: str
) -> "tuple[Any, StoredWeights | None]":
    from harness.models.weights.stored import stored_weights

    loaded = load_model(model, parent, precision, device)
    if precision == "fp32":
        return loaded, None
    stored = stored_weights(loaded, stored_folder(model, parent))
    if stored is None:  # the module itself has to bring the exact values
        return load_model(model, parent, "fp32"), None
    return loaded, stored


def finish_stage(
    model: ModelConfig, adapter: AdapterConfig | None, parent: Path | str, stage: int, folder: Path
) -> None:
    """Turn the trained adapter in `folder` into the stage: as it is, stacked or merged.

    One rank calls it, when no engine is up.
    """
    if adapter is None:
        return
    if adapter.between_tasks is BetweenTasks.merge:
        _write_merged(model, parent, folder)
        for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            (folder / name).unlink()
        (folder / CARD).unlink(missing_ok=True)  # of the adapter
        return
    if adapter.between_tasks is not BetweenTasks.keep and stage > 1:
        combine(Path(parent), folder)
    order_names(folder)
    describe(folder, model, adapter, stage)


def _write_merged(model: ModelConfig, parent: Path | str, folder: Path) -> None:
    """The model of `parent` with the adapter in `folder` added, as a model in `folder`."""
    from harness.models.weights.saving import saved_buffers, saved_specs, write_model

    plain = load_model(model, parent, "fp32", "meta")
    adapted = _adapted(plain, model, parent, folder)
    if adapted is None or saved_buffers(plain):
        _undisturbed(load_model(model, parent, "fp32"), folder).save_pretrained(folder)
        return
    shapes = {name: tuple(p.shape) for name, p in plain.named_parameters()}
    write_model(plain, folder, saved_specs(shapes, plain), adapted.read)


def _undisturbed(base: Any, source: Path | str) -> Any:
    """The merged model; random streams stay where they are."""
    import torch

    with torch.random.fork_rng():  # peft draws initial values before it reads the file's
        return merged(base, source)


def load_stage(model: ModelConfig, source: Path | str, precision: str, device: str = "cpu") -> Any:
    """A stage as one plain model: an adapter is merged into the initial model in fp32, and only
    the sum is rounded (merging in bf16 would lose most of a small update). On a quantized model it
    stays beside the weights that it was trained on."""
    import torch

    from harness.models.dtypes import model_dtype

    if not is_adapter(source):
        return load_model(model, source, precision, device)
    loaded = load_model(model, model.path, precision, device)
    if model.quantization is not Quantization.none:
        return load_adapter(loaded, source, trainable=False)
    adapted = _adapted(loaded, model, model.path, Path(source))
    if adapted is None:
        whole = _undisturbed(load_model(model, model.path, "fp32"), source)
        return whole.to(model_dtype(precision)).to(device)
    with torch.no_grad():
        for name in adapted.parts:
            loaded.get_parameter(name).copy_(adapted.read(name))
    return loaded


def _adapted(
    loaded: Any, model: ModelConfig, base: Path | str, folder: Path
) -> "AdaptedCheckpoint | None":
    """The weights of `loaded`, which is `base`, with the adapter of `folder`, tensor by tensor;
    None where the base's files do not tell them, so that peft has to merge whole models."""
    from harness.models.adapters.merged import adapted_checkpoint
    from harness.models.weights.reading import Checkpoint
    from harness.models.weights.stored import stored_weights

    files = stored_folder(model, base)
    if stored_weights(loaded, files) is None:
        return None
    adapted = adapted_checkpoint(Checkpoint(files), folder)
    names = {name for name, _ in loaded.named_parameters()}  # a head that is tied has no own one
    return adapted if adapted is not None and names.issuperset(adapted.parts) else None
