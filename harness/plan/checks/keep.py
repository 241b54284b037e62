"""Which weights a store is told to keep."""

from harness.config import HarnessConfig
from harness.config.sequence import task_order

WORDS = ("all", "ends", "none")


def keep_mistakes(config: HarnessConfig) -> list[str]:
    """A line where `store.keep` is neither a word nor stages of the sequence."""
    keep = config.store.keep
    if keep in WORDS:
        return []
    wanted = f"store.keep={keep}: use {', '.join(WORDS[:2])} or {WORDS[2]}, or stages as in [1,2]"
    if not isinstance(keep, list) or not all(type(stage) is int for stage in keep):
        return [wanted]
    last = len(task_order(config))
    wrong = [stage for stage in keep if not 1 <= stage <= last]
    return [f"store.keep: there is no stage {wrong[0]}; use 1 to {last}"] if wrong else []
