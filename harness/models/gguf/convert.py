"""The helper process that converts a GGUF file (`harness.models.gguf.converted`)."""

import json
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, first_line
from harness.store.helper import answer

# What transformers writes of itself: another version of it is not another model.
_OF_THE_WRITER = ("transformers_version", "_name_or_path", "_model_name_or_path")
_DESCRIPTIONS = ("config.json", "generation_config.json")


def convert(request: dict[str, str]) -> None:
    """Write the model of a GGUF file and its tokenizer into a folder: fp32 weights, no word of a
    quantization. Raises ConfigError for a file that transformers cannot read."""
    file, folder = Path(request["file"]), Path(request["folder"])
    model, tokenizer = _load(file)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name in _DESCRIPTIONS:
        _clean(folder / name)


def _load(file: Path) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            **place,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),  # else kernels may keep the blocks
            output_loading_info=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(**place)
    except Exception as error:  # of a damaged file gguf and numpy raise whatever they stumble over
        raise ConfigError(
            f"model.path: {file} cannot be read: {first_line(error)}; give a whole GGUF file of an "
            "architecture that transformers reads"
        ) from error
    lacking = sorted(report["missing_keys"])
    if lacking:
        raise ConfigError(f"model.path: {file} lacks the weight {lacking[0]}")
    _forget_quantization(model)
    return model, tokenizer


def _forget_quantization(model: Any) -> None:
    """Its tensors are ordinary ones; transformers refuses to save what it takes for quantized."""
    model.hf_quantizer = None
    vars(model.config).pop("quantization_config", None)


def _clean(file: Path) -> None:
    described = json.loads(file.read_text(encoding="utf-8"))
    kept = {name: value for name, value in described.items() if name not in _OF_THE_WRITER}
    file.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    answer(convert)
