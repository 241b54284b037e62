"""What becomes of an adapter between two tasks: one goes on, adapters stack up, or they merge.

`keep` trains one adapter through the whole sequence. `stack` and `merge` start every task with
a fresh one on top of the sum so far (incremental low-rank updates, arXiv 2405.18069): they compute
the same, but `stack` keeps the initial model and writes one adapter whose rank grows (as O-LoRA,
arXiv 2310.14152), while `merge` adds each update to the weights and writes whole models.
"""

from pathlib import Path
from typing import Any

from harness.config import AdapterConfig, BetweenTasks, ModelConfig
from harness.models.adapters.lora import combine, load_adapter, merged, new_adapter
from harness.models.folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS, is_adapter
from harness.models.loading import load_model


def start_model(
    model: ModelConfig, adapter: AdapterConfig | None, parent: Path | str, stage: int
) -> Any:
    """The fp32 module that a stage trains: the stage before, with the adapter that it needs."""
    if adapter is None:
        return load_model(model, parent, "fp32")
    if adapter.between_tasks is BetweenTasks.merge:
        return new_adapter(load_model(model, parent, "fp32"), adapter)
    base = load_model(model, model.path, "fp32")
    if stage == 1:
        return new_adapter(base, adapter)
    if adapter.between_tasks is BetweenTasks.stack:
        return new_adapter(_undisturbed(base, parent), adapter)
    return load_adapter(base, parent, trainable=True)


def finish_stage(
    model: ModelConfig, adapter: AdapterConfig | None, parent: Path | str, stage: int, folder: Path
) -> None:
    """Turn the trained adapter in `folder` into the stage: as it is, stacked or merged.

    One rank calls it, when no engine is up.
    """
    if adapter is None or adapter.between_tasks is BetweenTasks.keep:
        return
    if adapter.between_tasks is BetweenTasks.merge:
        _undisturbed(load_model(model, parent, "fp32"), folder).save_pretrained(folder)
        for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            (folder / name).unlink()
    elif stage > 1:
        combine(Path(parent), folder)


def _undisturbed(base: Any, source: Path | str) -> Any:
    """The merged model; random streams stay where they are."""
    import torch

    with torch.random.fork_rng():  # peft draws initial values before it reads the file's
        return merged(base, source)


def load_stage(model: ModelConfig, source: Path | str, precision: str) -> Any:
    """A stage as one plain model: an adapter is merged into the initial model in fp32, and only
    the sum is rounded (merging in bf16 would lose most of a small update)."""
    if not is_adapter(source):
        return load_model(model, source, precision)
    from harness.models.dtypes import model_dtype

    return merged(load_model(model, model.path, "fp32"), source).to(model_dtype(precision))
