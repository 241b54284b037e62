"""Names of precisions as types of torch."""

from typing import Any


def model_dtype(precision: str) -> Any:
    """torch dtype of 'fp32' or 'bf16'."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
