"""Rough device hours of a plan, from counts of weights and tokens; no torch."""

from dataclasses import dataclass
from pathlib import Path

from harness.config import EngineConfig, ModelConfig, Precision
from harness.models.weights.headers import stored_weights

TRAINING_FLOPS, FORWARD_FLOPS = 6, 2  # a token and weight (arXiv 2001.08361, section 2.1)


@dataclass(frozen=True)
class Estimate:
    """Device hours of training, of reading what is scored and the most that generation can take;
    bytes of what is made, and what is beside it at most meanwhile."""

    training_hours: float
    reading_hours: float
    generation_hours: float
    disk_bytes: float = 0.0
    beside_bytes: float = 0.0

    @property
    def device_hours(self) -> float:
        """All of them together."""
        return self.training_hours + self.reading_hours + self.generation_hours


def weight_count(model: ModelConfig) -> float | None:
    """Number of weights: of a folder its safetensors headers, else the config's `parameters`."""
    folder = Path(model.path)
    if folder.is_dir():
        return float(stored_weights(folder)) or None
    return None if model.parameters is None else model.parameters * 1e9


def estimate(
    weights: float,
    engine: EngineConfig,
    *,
    trained_tokens: int = 0,
    read_tokens: int = 0,
    generated_tokens: int = 0,
    passes: int = 0,
) -> Estimate:
    """Training and reading are bound by arithmetic (6 and 2 operations a weight and token),
    generation by reading every weight in each of its `passes` (a token of every row of a batch).
    `generated_tokens` counts every cap as reached. Bytes are told by `harness.plan.disk`.
    """
    second = engine.tflops * 1e12
    training = TRAINING_FLOPS * weights * trained_tokens / second
    reading = FORWARD_FLOPS * weights * read_tokens / second
    width = 2 if engine.precision is Precision.bf16 else 4
    moving = passes * width * weights / (engine.bandwidth * 1e12)
    arithmetic = FORWARD_FLOPS * weights * generated_tokens / second
    return Estimate(
        training_hours=training / 3600,
        reading_hours=reading / 3600,
        generation_hours=(moving + arithmetic) / 3600,
    )
