"""What the main table says of every method beside plain sequential fine-tuning."""

from collections.abc import Sequence

from harness.results.comparing.compare import by_performance
from harness.results.groups import Group
from harness.results.report.printing import DASH

BASELINE = "seqft"
COLUMN = "against_baseline"
TITLE = f"OP vs {BASELINE}"
LEGEND = (
    f"{TITLE}: better, worse or n. d. (not distinguishable) at 5 %, paired by seed and item, "
    "adjusted over the methods (Holm)"
)
_SHORT = {"not distinguishable": "n. d."}


def marks(groups: Sequence[Group]) -> list[str] | None:
    """A word for each group; null where none can be compared with a baseline of its model, sequence
    and protocol."""
    blocks: dict[tuple[str, str, str | None], list[int]] = {}
    for at, group in enumerate(groups):
        blocks.setdefault((group.model, group.sequence, group.protocol), []).append(at)
    told = [DASH] * len(groups)
    for block in blocks.values():
        bases = [at for at in block if groups[at].method == BASELINE and groups[at].runs]
        others = [at for at in block if at not in bases and groups[at].runs]
        if len(bases) != 1:
            continue
        told[bases[0]] = "baseline"
        found = by_performance([groups[at] for at in others], groups[bases[0]])
        for at, row in zip(others, found, strict=True):
            if row is not None:
                told[at] = _SHORT.get(row.verdict, row.verdict)
    return told if set(told) - {DASH, "baseline"} else None
