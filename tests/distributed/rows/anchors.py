"""Methods that pull weights towards earlier ones or average them."""

from references.ema import EMA
from references.ewc import EWC
from references.l2 import L2
from references.replay import Replay
from references.sfa import SFA
from rows.row import THREE, Row

HALF_REPLAY = "+method.replay={_target_: replay, ratio: 0.5}"
EWC10 = ("method=ewc", "method.num_samples=10")
SFA_RESET = ("method=sfa", "method.p=0.6", "method.beta=0.3", "method.moments=reset")
SFA_RESET += ("method.anchor=initial",)


class SFAReplay(SFA, Replay):
    """A stack: both references' hooks."""


ROWS = {
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
}
