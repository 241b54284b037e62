"""The strategies' own numbers, looked at now and then."""

import math
from collections.abc import Sequence

from harness.methods.base import Strategy
from harness.methods.stage import Stage
from harness.store.records import Json


class Figures:
    """Asks at the first step, after every so many, and at the last one. every: 0 = never."""

    def __init__(self, strategies: Sequence[Strategy], every: int) -> None:
        self._asked = [one for one in strategies if type(one).figures is not Strategy.figures]
        self.every = every

    def of(self, stage: Stage) -> Json:
        """What a step's entry in the log has of them: nothing, or `figures`, where numbers that are
        not finite are left out. Collective: all ranks ask at the same steps."""
        number = stage.step + 1
        if not self._asked or not self.every:
            return {}
        if number > 1 and number % self.every and number < stage.total:
            return {}
        told = {
            f"{type(one).__name__}.{name}": float(value)
            for one in self._asked
            for name, value in one.figures(stage).items()
        }
        return {"figures": {name: value for name, value in told.items() if math.isfinite(value)}}
