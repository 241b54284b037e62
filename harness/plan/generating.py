"""How much generation an evaluation is at most: tokens, and passes of the model that make them."""

from harness.config import EvalBackend
from harness.generation.batches import Limits
from harness.generation.choice import chunk_tokens
from harness.generation.dealing import budget, cut
from harness.store.work import EvalWork


def most_generated(work: EvalWork) -> int:
    """Tokens that are generated if every answer reaches its cap."""
    return 0 if work.by_likelihood else work.items * work.benchmark.max_answer_tokens


def generation_passes(work: EvalWork) -> int:
    """Passes of the model that generate them, every row being as long as the mean.

    A batch takes as many as its longest answer has tokens. Chunks and batches are cut as scoring
    cuts them; the backends with continuous batching have all rows of a chunk in work.
    """
    if not most_generated(work):
        return 0
    rules, new = work.settings.eval, work.benchmark.max_answer_tokens
    longest = round(work.read_tokens / work.items) + new
    rows = work.items
    if rules.backend is EvalBackend.hf:
        rows = Limits(rules.batch_size, rules.batch_tokens).fitting(longest)
    chunks = cut([longest] * work.items, budget(longest * work.items, chunk_tokens(rules)))
    return new * sum(-(-(end - start) // rows) for start, end in chunks)
