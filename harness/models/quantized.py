"""A base model in 4 bits (NormalFloat with double quantization: QLoRA, arXiv 2305.14314), on which
adapters are trained. What it loads with is `bitsandbytes`, an extra of this package."""

from typing import Any

from harness.config import ModelConfig, Quantization


def quantization_options(model: ModelConfig, precision: str) -> dict[str, Any]:
    """Arguments of transformers' `from_pretrained`; none for a model that stays as it is."""
    if model.quantization is Quantization.none:
        return {}
    from transformers import BitsAndBytesConfig

    from harness.models.dtypes import model_dtype

    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=model.quantization.value,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=model_dtype(precision),
    )
    return {"quantization_config": settings}


def keep_trainable(model: Any) -> None:
    """On some CPUs a pass in evaluation mode repacks 4-bit weights for good, into a form that has
    no backward pass: not in a model that goes back to training."""
    for part in model.modules():
        if hasattr(part, "support_avx512bf16_for_cpu"):
            part.support_avx512bf16_for_cpu = False
