"""Methods of adapters, and what becomes of an adapter between tasks."""

from references.stacked import OLoRA, SFAStacked, Stacked
from rows.row import Row

STACK = "++method.adapter.between_tasks=stack"
MERGE = "++method.adapter.between_tasks=merge"
O_LORA = ("+method.o_lora={_target_: o_lora, lambda_1: 20}",)

ROWS = {
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
