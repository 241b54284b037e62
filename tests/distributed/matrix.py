"""The rows of the equivalence matrix: one entry a method, with its plain-PyTorch reference.

To add a strategy: write its reference in references/, at most 40 lines, and enter it here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from plain import Reference
from references.replay import Replay
from references.sfa import SFA

ADAPTER = "method.adapter={kind: lora, rank: 4, alpha: 32, dropout: 0, targets: [q_proj, v_proj]}"
ADAPTERS = {"full": [], "lora": [f"+{ADAPTER}"]}
TWO, THREE = ("copy", "count"), ("copy", "count", "copy")


@dataclass(frozen=True)
class Row:
    """overrides: the method as a user would ask for it. identity: further ones at which it is
    sequential fine-tuning. bf16: is its effect shown at ZeRO 1-3 in bf16?"""

    overrides: tuple[str, ...]
    reference: Callable[[], Reference]
    identity: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ("full", "lora")
    tasks: tuple[str, ...] = TWO
    zero_stages: tuple[int, ...] = (0, 1, 2, 3)
    bf16: bool = False


SFA_RESET = ("method=sfa", "method.p=0.6", "method.beta=0.3", "method.moments=reset")
SFA_RESET += ("method.anchor=initial",)

MATRIX = {
    "seqft": Row(("method=seqft",), Reference),
    "replay": Row(("method=replay", "method.ratio=0.5"), Replay, ("method.ratio=0",)),
    "sfa": Row(
        ("method=sfa", "method.p=0.4", "method.beta=0.3"),
        lambda: SFA(period=2, beta=0.3),
        ("method.beta=0",),
        bf16=True,
    ),
    "sfa_initial_reset": Row(
        SFA_RESET,
        lambda: SFA(period=3, beta=0.3, initial=True, reset=True),
    ),
}
