"""What a stage's adapter says of itself to other programs: its base model, and a card.

PEFT copies the base's path as it was written, which leads nowhere from another folder, and leaves a
card with empty headings.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from harness.config import AdapterConfig, ModelConfig
from harness.models.folders import ADAPTER_CONFIG
from harness.store.files import write_atomically, write_json

CARD = "README.md"


def describe(folder: Path, model: ModelConfig, adapter: AdapterConfig, stage: int) -> None:
    """Have the adapter in a folder name its base by its whole path, or by its id where it is the
    hub's, and fill its card."""
    base, path = base_of(model), folder / ADAPTER_CONFIG
    config = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, config | {"base_model_name_or_path": base})
    write_atomically(folder / CARD, _card(base, config, model, adapter, stage))


def base_of(model: ModelConfig) -> str:
    """Where a model is found from any folder."""
    path = Path(model.path)
    return str(path.absolute()) if path.is_dir() else model.path


def _card(
    base: str, config: dict[str, Any], model: ModelConfig, adapter: AdapterConfig, stage: int
) -> str:
    head = {
        "base_model": base,
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["continual-learning", "lora"],
    }
    revision = f" at revision `{model.revision}`" if model.revision else ""
    layers = ", ".join(f"`{name}`" for name in adapter.targets)
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n"
        f"# {model.name}, stage {stage}: a LoRA adapter\n\n"
        f"Of rank {config['r']} (alpha {config['lora_alpha']:g}), on {layers} of `{base}`"
        f"{revision}, after {stage} tasks; between tasks: {adapter.between_tasks.value}.\n\n"
        "`manifest.json` holds the configuration, data and versions that made it, `training.json` "
        "the log of its steps. `harness store export` writes it, or the model with it merged in, "
        "with a card that has its scores.\n"
    )
