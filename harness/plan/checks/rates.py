"""What can be wrong with merging one sequence at several learning rates (method.edit.rates)."""

import math
from collections.abc import Iterator

from harness.config import Experts, HarnessConfig
from harness.config.sequence import task_order
from harness.methods.edits.loading import load_edit


def rates_mistakes(config: HarnessConfig) -> Iterator[str]:
    """One line per mistake."""
    method = config.method
    rates, mine = method.edit.rates, config.train.learning_rate
    if method.edit.experts is not Experts.rates:
        if rates:
            yield f"method.edit.rates={rates}: only with method.edit.experts=rates"
        return
    if not rates:
        yield "method.edit.rates: missing; give learning rates besides train.learning_rate"
    for rate in rates:
        if not (math.isfinite(rate) and rate > 0):
            yield f"method.edit.rates={rates}: a learning rate must be positive"
    if len({mine, *rates}) <= len(rates):
        yield f"method.edit.rates={rates}: each once, and none is train.learning_rate={mine}"
    first = next(iter(method.edits.items()), None)
    if first is None or not load_edit(first[1], f"method.{first[0]}").merges():
        yield "method.edit.experts=rates: the method's first edit has to take several models (soup)"
    if method.checkpoints is not None:
        yield "method.edit.experts=rates: method.checkpoints trains nothing, at no rate"
    for name in dict.fromkeys(task_order(config)):
        if config.task[name].learning_rate is not None:
            yield f"task.{name}.learning_rate goes before every rate of method.edit.rates: null it"
