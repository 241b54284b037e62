"""Loading a model folder and its tokenizer; the one place that calls transformers' Auto classes."""

from pathlib import Path
from typing import Any

from harness.config import ModelConfig
from harness.data.encoding import PromptFormat, first_eos
from harness.errors import StageFailed
from harness.models.folders import ADAPTER_CONFIG, TOKENIZER_FILES


def load_model(model: ModelConfig, source: Path | str, precision: str) -> Any:
    """The model of a folder (a stage) or of a hub id, in 'fp32' or 'bf16', on the CPU.

    Raises StageFailed where its files lack a weight: transformers would draw it at random.
    """
    from transformers import AutoModelForCausalLM

    from harness.models.dtypes import model_dtype

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
