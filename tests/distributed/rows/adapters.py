"""Methods of adapters, what becomes of an adapter between tasks, and rates of single weights."""

from references.l2 import L2
from references.rates import LLRD, SlowLearner
from references.stacked import OLoRA, SFAStacked, Stacked
from rows.row import Row

STACK = "++method.adapter.between_tasks=stack"
MERGE = "++method.adapter.between_tasks=merge"
O_LORA = ("+method.o_lora={_target_: o_lora, lambda_1: 20}",)

ROWS = {
    "wd_initial": Row(
        ("method=wd_initial", "method.strength=300"),
        lambda: L2(300.0, "decoupled_before", initial=True),
        ("method.strength=0",),
        adapters=("full",),
        zero_stages=(0, 3),
    ),
    "llrd": Row(
        ("method=llrd", "method.llrd.decay=0.5"),
        lambda: LLRD(0.5),
        ("method.llrd.decay=1",),
        bf16=True,
    ),
    "slca": Row(
        ("method=slca",),
        lambda: SlowLearner(0.01),
        ("method.slow_learner.factor=1",),
        adapters=("full",),
        zero_stages=(1, 3),
        refused={"lora": "it is not defined for adapters"},
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
}
