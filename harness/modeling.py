"""Loading a model folder and its tokenizer; the one place that calls transformers' Auto classes."""

from pathlib import Path
from typing import Any

from harness.config import ModelConfig
from harness.data.prompts import PromptFormat, first_eos


def load_model(model: ModelConfig, source: Path | str, precision: str) -> Any:
    """The model of a folder (a stage) or of a hub id, in 'fp32' or 'bf16', on the CPU."""
    from transformers import AutoModelForCausalLM

    from harness.engine.ranks import model_dtype

    return AutoModelForCausalLM.from_pretrained(
        source,
        dtype=model_dtype(precision),
        attn_implementation=model.attention,
        trust_remote_code=model.trust_remote_code,
        **_revision(model, source),
    )


def load_prompts(model: ModelConfig, source: Path | str) -> PromptFormat:
    """The tokenizer of a folder or hub id as the format that training and evaluation share."""
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    options = {"trust_remote_code": model.trust_remote_code, **_revision(model, source)}
    tokenizer = AutoTokenizer.from_pretrained(source, **options)
    try:
        generation = GenerationConfig.from_pretrained(source, **_revision(model, source))
    except OSError:
        generation = None
    eos = first_eos(AutoConfig.from_pretrained(source, **options), generation, tokenizer)
    return PromptFormat(tokenizer, eos)


def save_tokenizer(prompts: PromptFormat, folder: Path) -> None:
    """Write the tokenizer beside the weights, so that a stage is a complete model folder."""
    prompts.tokenizer.save_pretrained(folder)


def _revision(model: ModelConfig, source: Path | str) -> dict[str, Any]:
    is_hub_id = model.revision is not None and str(source) == model.path
    return {"revision": model.revision} if is_hub_id else {}
