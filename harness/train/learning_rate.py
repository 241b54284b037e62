"""The learning rate as a pure function of the step."""

import math

from harness.config import LearningRateSchedule


def learning_rate(
    step: int, total: int, peak: float, schedule: LearningRateSchedule, warmup_ratio: float
) -> float:
    """Rate of optimizer step `step` (from 0) of `total`: linear warm-up to `peak` over the first
    `warmup_ratio` of the steps, then constant, or down to zero linearly or as half a cosine."""
    warmup = math.ceil(warmup_ratio * total)
    if step < warmup:
        return peak * (step + 1) / warmup
    if schedule is LearningRateSchedule.constant:
        return peak
    progress = (step - warmup) / max(1, total - warmup)
    if schedule is LearningRateSchedule.linear:
        return peak * (1 - progress)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))
