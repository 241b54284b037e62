"""Mean squared gradients of a finished or a coming task's rows: the diagonal Fisher information.

"Overcoming catastrophic forgetting in neural networks" (arXiv 1612.00796): over rows x
with answers y the mean of (d log p(y | x) / d theta)^2, log p summed over the answer's tokens. A
group of several rows is the cheaper and smaller form: its mean gradient is squared.
"""

from collections.abc import Callable, Sequence

from harness.methods.stage import Stage
from harness.methods.view import Loss, Sharded


def drawn(stage: Stage, name: str, count: int | None, width: int) -> list[list[int]]:
    """Numbers of `count` of the task's own rows (None: of all), in groups of `width`; the same on
    all ranks. name: of the random stream."""
    rows = len(stage.own.examples)
    count = rows if count is None else min(count, rows)
    chosen = stage.random(name).sample(range(rows), count)
    return [chosen[start : start + width] for start in range(0, count, width)]


def mean_square(
    stage: Stage,
    groups: Sequence[Sequence[int]],
    loss: Callable[[int], Loss | None] = lambda first: None,
) -> Sharded:
    """Collective. Mean over groups of own rows of the squared gradient of the rows' mean
    log-likelihood; one backward pass a group. loss: of each answer token, asked with the group's
    first number; the objective where it gives None."""
    view, own = stage.view, stage.own.examples
    total = {shard.name: shard.weight.zero_() for shard in view.shards()}
    for group in groups:
        examples = [own[index] for index in group]
        tokens = sum(len(example.answer_ids) for example in examples)
        scale = tokens / len(examples)  # of the mean over tokens
        for name, gradient in view.gradient_of(examples, loss(group[0])).items():
            total[name].addcmul_(gradient, gradient, value=scale**2 / len(groups))
    return total
