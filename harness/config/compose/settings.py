"""The overrides that tell two runs of one method apart."""

from harness.config.places import parse

# Overrides that change where or how fast something runs or which cells are scored, or that are
# columns of the table themselves.
_NOT_A_VARIANT = (
    "seed",
    "experiment",
    "protocol",
    "model",
    "sequence",
    "method",
    "engine",
    "store",
    "data",
    "store.root",
    "store.results",
    "data.root",
    "data.suite_root",
    "eval.past",
    "eval.future",
    "eval.stage0",
    "eval.suite_stages",
)


def variant_of(overrides: list[str]) -> str:
    """The overrides that tell two runs of one method apart, as text for the tables."""
    told = [
        str(item.input_line)
        for item in parse(overrides)
        if item.key_or_group not in _NOT_A_VARIANT
        and not str(item.key_or_group).startswith(("engine.", "hydra"))
    ]
    return " ".join(sorted(told))
