"""Learning rates of single weights: what the strategies' hook `rates` asks of a stage."""

import math
from collections.abc import Sequence
from typing import Any

from harness.errors import StageFailed
from harness.methods.base import Strategy
from harness.methods.stage import Stage


def rate_factors(strategies: Sequence[Strategy], stage: Stage, model: Any) -> dict[str, float]:
    """The product of the strategies' factors, by the names of trained parameters; 1 is left out.

    Raises StageFailed for a name that is no trained parameter's, which would do nothing, and for a
    factor that is no number of 0 or more.
    """
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    found: dict[str, float] = {}
    for strategy in strategies:
        for name, factor in strategy.rates(stage, model).items():
            told = f"{type(strategy).__name__}.rates gives {factor} for {name}"
            if name not in trained:
                raise StageFailed(f"{told}, which is no trained parameter of the model")
            if not (math.isfinite(factor) and factor >= 0):
                raise StageFailed(f"{told}; it has to be a number, 0 or more")
            found[name] = found.get(name, 1.0) * factor
    return {name: factor for name, factor in found.items() if factor != 1.0}
