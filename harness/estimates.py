"""Rough device hours and disk of a plan, from counts of weights and tokens; no torch."""

from dataclasses import dataclass
from pathlib import Path

from harness.config import EngineConfig, ModelConfig, Precision
from harness.weight_headers import stored_weights

TRAINING_FLOPS, FORWARD_FLOPS = 6, 2  # a token and weight (arXiv 2001.08361, section 2.1)
MASTER_BYTES = 4  # stages are written in the masters' precision


@dataclass(frozen=True)
class Estimate:
    """Device hours of training, the most that generation can take, and bytes of checkpoints."""

    training_hours: float
    generation_hours: float
    disk_bytes: float


def weight_count(model: ModelConfig) -> float | None:
    """Number of weights: of a folder its safetensors headers, else the config's `parameters`."""
    folder = Path(model.path)
    if folder.is_dir():
        return float(stored_weights(folder)) or None
    return None if model.parameters is None else model.parameters * 1e9


def estimate(
    weights: float,
    engine: EngineConfig,
    batch_size: int,
    trained_tokens: int,
    generated_tokens: int,
    stages: int,
) -> Estimate:
    """Training is bound by arithmetic (6 operations a weight and token), generation by reading
    every weight for each token of a batch. `generated_tokens` counts every cap as reached.
    """
    seconds = TRAINING_FLOPS * weights * trained_tokens / (engine.tflops * 1e12)
    width = 2 if engine.precision is Precision.bf16 else 4
    steps = generated_tokens / batch_size
    reading = steps * width * weights / (engine.bandwidth * 1e12)
    arithmetic = FORWARD_FLOPS * weights * generated_tokens / (engine.tflops * 1e12)
    return Estimate(seconds / 3600, (reading + arithmetic) / 3600, stages * weights * MASTER_BYTES)
