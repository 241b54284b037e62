"""What a model folder says of itself before anything is loaded; no torch."""

import json
import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from harness.config import Attention, ModelConfig
from harness.errors import ConfigError

HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
# Files of weights that are pickles: what transformers reads, as plain tensors alone, and what not.
PICKLED = ("pytorch_model*.bin", "adapter_model.bin")
_UNREAD = ("model*.pt", "consolidated*.pth")
# Of a file in which torch's restricted reader, which runs nothing, finds anything else.
NOT_PLAIN = "a file of its weights is not plain tensors: it could run code, so it is not read"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")
# What models call the number of their positions.
_POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len")
# And the number of their experts, and the parts that are made of experts.
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_OF_EXPERTS = re.compile(r"(^|\.)(experts|gate|router|w[123]|(gate|up|down|gate_up)_proj)$")


def is_adapter(folder: Path | str) -> bool:
    """True for the folder of an adapter, in PEFT's format."""
    return (Path(folder) / ADAPTER_CONFIG).is_file()


def folder_description(path: str, place: str) -> dict[str, Any] | None:
    """config.json of a complete model folder; None for a hub id. `place` is the key that names the
    model. Raises ConfigError for anything else; loads nothing."""
    folder = Path(path)
    if not folder.is_dir():
        if HUB_ID.match(path) and not folder.parent.is_dir():
            return None
        raise ConfigError(
            f"{place}: there is no folder {path}; give a folder or a hub id (owner/name)"
        )
    description = folder / "config.json"
    if not description.is_file():
        raise ConfigError(f"{place}: {folder} has no config.json; is it a model folder?")
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ConfigError(f"{place}: {folder} has no tokenizer ({', '.join(TOKENIZER_FILES)})")
    require_readable([path.name for path in folder.iterdir()], f"{place}: {folder}")
    try:
        return json.loads(description.read_text())
    except json.JSONDecodeError as error:
        raise ConfigError(f"{place}: {description} is not valid JSON ({error.msg})") from error


def is_pickled(name: str) -> bool:
    """Is a file of this name a pickle of weights that transformers reads?"""
    return any(fnmatch(name, pattern) for pattern in PICKLED)


def require_readable(names: Iterable[str], where: str) -> None:
    """Raise ConfigError, which begins with `where`, where the files of a model have its weights in
    a format alone that transformers does not read."""
    listed = sorted(names)
    unread = [name for name in listed if any(fnmatch(name, pattern) for pattern in _UNREAD)]
    if unread and not any(name.endswith(".safetensors") or is_pickled(name) for name in listed):
        raise ConfigError(
            f"{where} has its weights as {unread[0]} alone, which is not read; save them as "
            "safetensors (conf/README.md, Models)"
        )


def require_causal(description: dict[str, Any], place: str) -> None:
    """Raise ConfigError for the config.json of an encoder-decoder."""
    if description.get("is_encoder_decoder"):
        kind = description.get("model_type", "this model")
        raise ConfigError(f"{place}: {kind} is an encoder-decoder; only causal models judge")


def context_length(description: dict[str, Any]) -> int | None:
    """Most tokens that a model takes, by its config.json; null where it does not tell."""
    for place in _sections(description):
        for name in _POSITIONS:
            if isinstance(place.get(name), int):
                return place[name]
    return None


def _sections(description: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The description itself and, where it is of more than text, the part of it about text."""
    inner = description.get("text_config")
    return (description, inner) if isinstance(inner, dict) else (description,)


def require_attention(description: dict[str, Any], model: ModelConfig) -> None:
    """Raise ConfigError for attention that leaves out what a model does to its scores."""
    capped = any(place.get("attn_logit_softcapping") for place in _sections(description))
    if capped and model.attention is Attention.sdpa:
        kind = description.get("model_type", "this model")
        raise ConfigError(
            f"model.attention=sdpa: {kind} caps the scores of attention (attn_logit_softcapping), "
            "which sdpa does not; use model.attention=eager"
        )


def require_no_experts(
    targets: Iterable[str], description: dict[str, Any], place: str = "model.path"
) -> None:
    """Raise ConfigError for adapted layers (names of modules) that would be experts or what routes
    to them: each kind is one tensor for all experts and no layer, so factors of it are no LoRA of
    a layer. Layers of attention have an adapter as in any model."""
    if not any(place.get(name) for place in _sections(description) for name in _EXPERTS):
        return
    wrong = [name for name in targets if name == "all-linear" or _OF_EXPERTS.search(name)]
    if wrong:
        kind = description.get("model_type", "this model")
        raise ConfigError(
            f"method.adapter.targets: '{wrong[0]}' takes in the experts of {place} ({kind}), which "
            "are one tensor and no layers; name layers of its attention, such as "
            "[q_proj,k_proj,v_proj,o_proj]"
        )


def require_known_code(description: dict[str, Any], model: ModelConfig) -> None:
    """Raise ConfigError for a model that transformers knows only through code in its repository,
    unless the configuration allows to run it."""
    if model.trust_remote_code or "AutoModelForCausalLM" not in description.get("auto_map", {}):
        return
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    kind = description.get("model_type")
    if kind not in CONFIG_MAPPING_NAMES:
        raise ConfigError(
            f"model.path: {model.path} needs the code that it ships ({kind}); read it, then set "
            "model.trust_remote_code=true"
        )
