"""Bytes that a rank takes while it scores: the whole model, keys and values, logits."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.config import HarnessConfig, Precision
from harness.generation.batches import Limits
from harness.plan.memory.model import Model
from harness.plan.memory.training import CUDA_CONTEXT
from harness.store.work import EvalWork

DEFAULT_CONTEXT = 2048


@dataclass(frozen=True)
class ScoringMemory:
    """Bytes of one rank. `longest`: tokens of the longest row, of `batch` rows at once."""

    context: float
    weights: float
    cache: float
    logits: float
    batch: int
    longest: int

    @property
    def peak(self) -> float:
        """The most that it holds at once."""
        return self.context + self.weights + self.cache + self.logits


def scoring_memory(
    model: Model, config: HarnessConfig, works: Sequence[EvalWork], cuda: bool
) -> ScoringMemory:
    """What scoring these takes where every row is as long as its benchmark allows. The cache is
    counted with one block's a second time, which growing it copies."""
    width = 2 if config.engine.precision is Precision.bf16 else 4
    shapes = model.shapes
    context = (shapes.context if shapes else None) or DEFAULT_CONTEXT
    longest = max((_longest(work, context) for work in works), default=0)
    batch = Limits(config.eval.batch_size, config.eval.batch_tokens).fitting(longest)
    cache = logits = 0.0
    if shapes is not None:
        by_token = 2 * shapes.keys * width * (shapes.cached + 1)
        cache = float(batch * longest * by_token)
        logits = float(batch * shapes.vocab * (width + 4))
    return ScoringMemory(
        CUDA_CONTEXT if cuda else 0.0, model.held(width), cache, logits, batch, longest
    )


def _longest(work: EvalWork, context: int) -> int:
    """Most tokens of a prompt and its answer."""
    benchmark = work.benchmark
    limit = work.shown.max_prompt_tokens if work.shown else benchmark.max_prompt_tokens
    answer = 1 if work.by_likelihood else benchmark.max_answer_tokens
    return min((limit or context) + answer, context)
