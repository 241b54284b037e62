"""The rows of the equivalence matrix: one entry a method, with its plain-PyTorch reference.

To add a strategy: write its reference in references/, at most 40 lines, and enter it here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from plain import Reference
from references.agem import AGEM
from references.ema import EMA
from references.ewc import EWC
from references.frozen import HFT, Freeze
from references.gem import GEM
from references.l2 import L2
from references.lwf import LwF
from references.migu import MIGU
from references.replay import Replay, ReplayPass
from references.sfa import SFA
from references.stacked import OLoRA, SFAStacked, Stacked

ADAPTER = "method.adapter={kind: lora, rank: 4, alpha: 32, dropout: 0, targets: [q_proj, v_proj]}"
ADAPTERS = {"full": [], "lora": [f"+{ADAPTER}"]}
TWO, THREE = ("copy", "count"), ("copy", "count", "copy")


@dataclass(frozen=True)
class Row:
    """overrides: the method as a user would ask for it. identity: further ones at which it is
    sequential fine-tuning. refused: adapter -> a part of the message with which validation refuses
    the method there. bf16: is its effect shown at ZeRO 1-3 in bf16? beside: the row that takes the
    place of sequential fine-tuning."""

    overrides: tuple[str, ...]
    reference: Callable[[], Reference]
    identity: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ("full", "lora")
    tasks: tuple[str, ...] = TWO
    zero_stages: tuple[int, ...] = (0, 1, 2, 3)
    refused: Mapping[str, str] = field(default_factory=dict)
    bf16: bool = False
    beside: str | None = None


HALF_REPLAY = "+method.replay={_target_: replay, ratio: 0.5}"
EWC10 = ("method=ewc", "method.num_samples=10")
WHOLE = ("train.max_steps=null",)  # all passes, not the first five steps
PASS_RATIO = "method.replay_pass.ratio"
SFA_RESET = ("method=sfa", "method.p=0.6", "method.beta=0.3", "method.moments=reset")
SFA_RESET += ("method.anchor=initial",)


STACK = "++method.adapter.between_tasks=stack"
MERGE = "++method.adapter.between_tasks=merge"
O_LORA = ("+method.o_lora={_target_: o_lora, lambda_1: 20}",)


class SFAReplay(SFA, Replay):
    """A stack: both references' hooks."""


MATRIX = {
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
    "sfa_replay": Row(
        ("method=sfa", "method.p=0.4", "method.beta=0.3", HALF_REPLAY),
        lambda: SFAReplay(period=2, beta=0.3),
        ("method.beta=0", "method.replay.ratio=0"),
        adapters=("full",),
        zero_stages=(1, 3),
    ),
    "l2": Row(
        ("method=l2", "method.strength=1"),
        lambda: L2(1.0, "loss"),
        ("method.strength=0",),
    ),
    "l2_decoupled_before": Row(
        ("method=l2", "method.strength=300", "method.form=decoupled_before"),
        lambda: L2(300.0, "decoupled_before"),
        ("method.strength=0",),
        adapters=("full",),
    ),
    "l2_decoupled_after": Row(
        ("method=l2", "method.strength=300", "method.form=decoupled_after"),
        lambda: L2(300.0, "decoupled_after"),
        ("method.strength=0",),
        adapters=("full",),
    ),
    "ewc": Row(
        (*EWC10, "method.strength=100", "method.gamma=0.5"),
        lambda: EWC(100.0, samples=10, gamma=0.5),
        ("method.strength=0",),
        bf16=True,
    ),
    "ewc_sampled": Row(
        (*EWC10, "method.strength=10", "method.fisher=sampled_labels"),
        lambda: EWC(10.0, samples=10, gamma=1.0, sampled=True),
        adapters=("full",),
    ),
    "ewc_batched": Row(
        (*EWC10, "method.strength=100", "method.fisher=batched", "method.batch_size=4"),
        lambda: EWC(100.0, samples=10, gamma=1.0, batch=4),
        adapters=("full",),
    ),
    "ewc_per_task": Row(
        (*EWC10, "method.strength=100", "method.variant=per_task"),
        lambda: EWC(100.0, samples=10),
        adapters=("full",),
        tasks=THREE,
    ),
    "ewc_3tasks": Row(
        (*EWC10, "method.strength=100", "method.gamma=0.5"),
        lambda: EWC(100.0, samples=10, gamma=0.5),
        adapters=("full",),
        tasks=THREE,
        zero_stages=(0, 3),
    ),
    "ema": Row(("method=ema", "method.ema.decay=0.6"), lambda: EMA(0.6), ("method.ema.decay=0",)),
    "ema_ramp": Row(
        ("method=ema", "method.ema.decay=0.6", "method.ema.ramp=true"),
        lambda: EMA(0.6, ramp=True),
        ("method.ema.decay=0",),
        adapters=("full",),
        zero_stages=(1,),
    ),
    "freeze": Row(("method=freeze",), Freeze, ("method.freeze.layers=0",)),
    "hft": Row(
        ("method=hft",),
        HFT,
        ("method.hft.active=false",),
        adapters=("full",),
        refused={"lora": "it is not defined for adapters"},
    ),
    "gem": Row(
        ("method=gem", "method.gem.ratio=0.5", "method.gem.batch_size=8"),
        lambda: GEM(0.5, 8, 0.5),
        ("method.gem.ratio=0",),
        tasks=THREE,
        bf16=True,
    ),
    "migu": Row(("method=migu",), lambda: MIGU(0.7), ("method.migu.threshold=0",), bf16=True),
    "lwf": Row(
        ("method=lwf", "method.lwf.top_k=5000"),
        lambda: LwF(1.0, 2.0),
        ("method.lwf.weight=0",),
        bf16=True,
    ),
    "lora_stack": Row(("method=seqft", STACK), Stacked, adapters=("lora",)),
    "lora_merge": Row(("method=seqft", MERGE), lambda: Stacked(merge=True), adapters=("lora",)),
    "sfa_lora_merge": Row(
        ("method=sfa", "method.p=0.4", "method.beta=0.3", MERGE),
        lambda: SFAStacked(merge=True, period=2, beta=0.3),
        ("method.beta=0",),
        adapters=("lora",),
        beside="lora_merge",
    ),
    "o_lora_paper": Row(
        (*O_LORA, STACK),
        lambda: OLoRA(strength=20.0),
        ("method.o_lora.lambda_1=0",),
        adapters=("lora",),
        beside="lora_stack",
    ),
    "o_lora_upstream": Row(
        (*O_LORA, STACK, "+method.o_lora.penalty=upstream"),
        lambda: OLoRA(strength=20.0, upstream=True),
        ("method.o_lora.lambda_1=0",),
        adapters=("lora",),
        beside="lora_stack",
    ),
    "agem": Row(
        ("method=agem", "method.ratio=0.5", "method.batch_size=8"),
        lambda: AGEM(0.5, 8),
        ("method.ratio=0",),
        bf16=True,
    ),
}
