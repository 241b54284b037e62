"""What becomes of an adapter between two tasks: one goes on, adapters stack up, or they merge.

`keep` trains one adapter through the whole sequence. `stack` and `merge` start every task with
a fresh one on top of the sum so far (incremental low-rank updates, arXiv 2405.18069): they compute
the same, but `stack` keeps the initial model and writes one adapter whose rank grows (as O-LoRA,
arXiv 2310.14152), while `merge` adds each update to the weights and writes whole models.
"""

import json
from pathlib import Path
from typing import Any

from harness.config import AdapterConfig, BetweenTasks, ModelConfig
from harness.errors import StageFailed
from harness.models.folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from harness.models.loading import load_model
from harness.store.files import write_json


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
        return new_adapter(_merged(base, parent), adapter)
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
        _merged(load_model(model, parent, "fp32"), folder).save_pretrained(folder)
        for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            (folder / name).unlink()
    elif stage > 1:
        _stack(Path(parent), folder)


def _merged(base: Any, source: Path | str) -> Any:
    import torch

    with torch.random.fork_rng():  # peft draws initial values before it reads the file's
        return load_adapter(base, source, trainable=False).merge_and_unload(safe_merge=True)


def _stack(before: Path, folder: Path) -> None:
    """Put the earlier adapter's rows of A and columns of B before the new ones. The scale alpha / r
    stays, so that the product is the sum of both updates."""
    import torch
    from safetensors.torch import load_file, save_file

    old, new = load_file(before / ADAPTER_WEIGHTS), load_file(folder / ADAPTER_WEIGHTS)
    if set(old) != set(new):
        raise StageFailed(f"{folder}: its adapter has other layers than the one of {before}")
    stacked = {
        name: torch.cat([old[name], tensor], dim=0 if ".lora_A." in name else 1).contiguous()
        for name, tensor in new.items()
    }
    save_file(stacked, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    earlier, config = (
        json.loads((place / ADAPTER_CONFIG).read_text()) for place in (before, folder)
    )
    scale = config["lora_alpha"] / config["r"]
    config["r"] += earlier["r"]
    config["lora_alpha"] = scale * config["r"]
    write_json(folder / ADAPTER_CONFIG, config)


def load_stage(model: ModelConfig, source: Path | str, precision: str) -> Any:
    """A stage as one plain model: an adapter is merged into the initial model in fp32, and only
    the sum is rounded (merging in bf16 would lose most of a small update)."""
    if not (Path(source) / ADAPTER_CONFIG).is_file():
        return load_model(model, source, precision)
    from harness.models.dtypes import model_dtype

    adapted = load_adapter(load_model(model, model.path, "fp32"), source, trainable=False)
    return adapted.merge_and_unload(safe_merge=True).to(model_dtype(precision))


def load_adapter(base: Any, source: Path | str, trainable: bool) -> Any:
    """The adapter of a stage's folder on its base model."""
    from peft import PeftModel

    return PeftModel.from_pretrained(base, str(source), is_trainable=trainable)


def new_adapter(base: Any, adapter: AdapterConfig) -> Any:
    """A fresh LoRA adapter; its product is zero, so the model is the base model at first."""
    from peft import LoraConfig, get_peft_model

    targets = adapter.targets
    lora = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        target_modules="all-linear" if targets == ["all-linear"] else list(targets),
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(base, lora)
    except ValueError as error:
        raise StageFailed(f"method.adapter.targets={targets}: {error}") from error
