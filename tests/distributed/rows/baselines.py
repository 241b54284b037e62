"""Fine-tuning as it is, on all data, with replay."""

from plain import Reference
from references.replay import Replay, ReplayPass
from rows.row import THREE, Row

WHOLE = ("train.max_steps=null",)  # all passes, not the first five steps
PASS_RATIO = "method.replay_pass.ratio"

ROWS = {
    "seqft": Row(("method=seqft",), Reference),
    "seqft_3tasks": Row(("method=seqft",), Reference, adapters=("full",), tasks=THREE),
    "replay": Row(("method=replay", "method.ratio=0.5"), Replay, ("method.ratio=0",)),
    "replay_trace": Row(
        ("method=replay_trace", "method.replay_pass.extra=null", *WHOLE, f"{PASS_RATIO}=0.5"),
        ReplayPass,
        (f"{PASS_RATIO}=0",),
        tasks=THREE,
    ),
    "joint": Row(("method=joint",), Reference, tasks=("copy+count",), beside="seqft"),
}
