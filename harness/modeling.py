"""Loading a model folder and its tokenizer; the one place that calls transformers' Auto classes."""

import json
import re
from pathlib import Path
from typing import Any

from harness.config import AdapterConfig, ModelConfig
from harness.data.prompts import PromptFormat, first_eos
from harness.errors import ConfigError, StageFailed

HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")


def load_model(model: ModelConfig, source: Path | str, precision: str) -> Any:
    """The model of a folder (a stage) or of a hub id, in 'fp32' or 'bf16', on the CPU.

    Raises StageFailed where its files lack a weight: transformers would draw it at random.
    """
    from transformers import AutoModelForCausalLM

    from harness.engine.ranks import model_dtype

    try:
        loaded, report = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=model_dtype(precision),
            attn_implementation=model.attention.value,
            trust_remote_code=model.trust_remote_code,
            output_loading_info=True,
            **_revision(model, source),
        )
    except RuntimeError as error:
        if "size mismatch" not in str(error) and "mismatched" not in str(error):
            raise
        raise StageFailed(
            f"{source}: its weights have other shapes than its config.json says"
        ) from error
    lacking = sorted(report["missing_keys"])
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise StageFailed(f"{source}: its files lack the weight {lacking[0]}{more}")
    return loaded


ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")


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
    try:
        return json.loads(description.read_text())
    except json.JSONDecodeError as error:
        raise ConfigError(f"{place}: {description} is not valid JSON ({error.msg})") from error


def require_causal(description: dict[str, Any], place: str) -> None:
    """Raise ConfigError for the config.json of an encoder-decoder."""
    if description.get("is_encoder_decoder"):
        kind = description.get("model_type", "this model")
        raise ConfigError(f"{place}: {kind} is an encoder-decoder; only causal models are there")


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


def load_stage(model: ModelConfig, source: Path | str, precision: str) -> Any:
    """A stage as one plain model: an adapter is merged into the initial model in fp32, and only
    the sum is rounded (merging in bf16 would lose most of a small update)."""
    if not (Path(source) / ADAPTER_CONFIG).is_file():
        return load_model(model, source, precision)
    from harness.engine.ranks import model_dtype

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


def load_prompts(model: ModelConfig, source: Path | str) -> PromptFormat:
    """The tokenizer of a folder or hub id as the format that training and evaluation share; a
    stage that is an adapter has the initial model's configuration."""
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    if Path(source).is_dir() and not any(
        (Path(source) / name).is_file() for name in TOKENIZER_FILES
    ):
        source = model.path  # a stage from elsewhere may bring nothing but weights
    options = {"trust_remote_code": model.trust_remote_code, **_revision(model, source)}
    tokenizer = AutoTokenizer.from_pretrained(source, **options)
    if (Path(source) / ADAPTER_CONFIG).is_file():
        source = model.path
        options |= _revision(model, source)
    try:
        generation = GenerationConfig.from_pretrained(source, **_revision(model, source))
    except OSError:
        generation = None
    eos = first_eos(AutoConfig.from_pretrained(source, **options), generation, tokenizer)
    if model.chat_template and tokenizer.chat_template is None:
        raise StageFailed(f"model.chat_template=true: the tokenizer of {source} has no template")
    return PromptFormat(tokenizer, eos, model.chat_template)


def save_tokenizer(prompts: PromptFormat, folder: Path) -> None:
    """Write the tokenizer beside the weights, so that a stage is a complete model folder."""
    prompts.tokenizer.save_pretrained(folder)


def _revision(model: ModelConfig, source: Path | str) -> dict[str, Any]:
    is_hub_id = model.revision is not None and str(source) == model.path
    return {"revision": model.revision} if is_hub_id else {}
