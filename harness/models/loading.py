"""Loading a model and its tokenizer; the one place that calls transformers' Auto classes."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from harness.config import ModelConfig, Quantization
from harness.data.encoding import PromptFormat, first_eos
from harness.errors import ConfigError, StageFailed
from harness.models.family import family_of
from harness.models.folders import NOT_PLAIN, TOKENIZER_FILES, is_adapter
from harness.models.hub import cached_file
from harness.models.quantized import keep_trainable, quantization_options
from harness.store.pulse import beat


def load_model(model: ModelConfig, source: Path | str, precision: str, device: str = "cpu") -> Any:
    """The model of a folder (a stage) or of a hub id, in 'fp32' or 'bf16'. On another device than
    the CPU it is loaded weight by weight: the host never holds a whole one.

    Raises StageFailed where its files lack a weight: transformers would draw it at random; and
    where they hold more than tensors.
    """
    from harness.models.dtypes import model_dtype

    beat(patient=True)
    try:
        loaded, report = (
            family_of(model)
            .model_class()
            .from_pretrained(
                source,
                dtype=model_dtype(precision),
                attn_implementation=model.attention.value,
                trust_remote_code=model.trust_remote_code,
                weights_only=True,
                output_loading_info=True,
                **_placed(device),
                **quantization_options(model, precision),
                **_revision(model, source),
            )
        )
    except UnpicklingError:
        raise StageFailed(f"{source}: {NOT_PLAIN}") from None
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
    if model.quantization is not Quantization.none:
        keep_trainable(loaded)
    return loaded


def stored_folder(model: ModelConfig, source: Path | str) -> Path:
    """Where the files lie that `load_model` has read: the folder itself, or that in the cache of a
    model of the hub, which need not hold all that the hub has."""
    described = None if Path(source).is_dir() else cached_file(model, "config.json")
    return Path(source) if described is None else described.parent


def load_prompts(model: ModelConfig, source: Path | str) -> PromptFormat:
    """The tokenizer of a folder or hub id as the format that training and evaluation share; a
    stage that is an adapter has the initial model's configuration."""
    from transformers import AutoConfig, GenerationConfig

    if Path(source).is_dir() and not any(
        (Path(source) / name).is_file() for name in TOKENIZER_FILES
    ):
        source = model.path  # a stage from elsewhere may bring nothing but weights
    options = {"trust_remote_code": model.trust_remote_code, **_revision(model, source)}
    tokenizer = load_tokenizer(source, **options)
    if is_adapter(source):
        source = model.path
        options |= _revision(model, source)
    try:
        generation = GenerationConfig.from_pretrained(source, **_revision(model, source))
    except OSError:
        generation = None
    described = AutoConfig.from_pretrained(source, **options)
    eos = first_eos(described, generation, tokenizer)
    if model.chat_template and tokenizer.chat_template is None:
        raise StageFailed(f"model.chat_template=true: the tokenizer of {source} has no template")
    return family_of(model).prompts(tokenizer, eos, described, model.chat_template)


def load_tokenizer(source: Path | str, **options: Any) -> Any:
    """The tokenizer of a folder or hub id, as transformers makes it; `options` are its own."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(source, **options)


def load_judge(path: str, revision: str | None, place: str) -> tuple[Any, Any]:
    """A model as it is stored, in its own precision, and its tokenizer. `place` is the key that
    names it. Raises ConfigError for files that do not load."""
    from transformers import AutoModelForCausalLM

    try:
        tokenizer = load_tokenizer(path, revision=revision)
        return AutoModelForCausalLM.from_pretrained(
            path, dtype="auto", revision=revision, weights_only=True
        ), tokenizer
    except UnpicklingError:
        raise ConfigError(f"{place}: {path} cannot be loaded: {NOT_PLAIN}") from None
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{place}: {path} cannot be loaded: {reason}") from error


def save_tokenizer(prompts: PromptFormat, folder: Path) -> None:
    """Write the tokenizer beside the weights, so that a stage is a complete model folder."""
    prompts.tokenizer.save_pretrained(folder)


def _placed(device: str) -> dict[str, Any]:
    return {} if device == "cpu" else {"device_map": {"": device}}


def _revision(model: ModelConfig, source: Path | str) -> dict[str, Any]:
    is_hub_id = model.revision is not None and str(source) == model.path
    return {"revision": model.revision} if is_hub_id else {}
