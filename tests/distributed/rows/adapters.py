"""Methods of adapters, what becomes of an adapter between tasks, and rates of single weights."""

from references.answer_styles import Sentences
from references.cia import CIA
from references.collisions import NLoRA, OLoRADelta
from references.i_lora import ILoRA
from references.inf_lora import InfLoRA
from references.l2 import L2
from references.rates import LLRD, SlowLearner
from references.reg_lora import RegLoRA
from references.stacked import OLoRA, SFAStacked, Stacked
from references.tree_lora import TreeLoRA
from rows.row import Row

STACK = "++method.adapter.between_tasks=stack"
MERGE = "++method.adapter.between_tasks=merge"
O_LORA = ("+method.o_lora={_target_: o_lora, lambda_1: 20}",)
N_LORA = ("+method.n_lora={_target_: n_lora, strength: 0.1}",)
SENTENCES = "method.answer_styles.styles=[sentence]"
I_LORA = ("+method.i_lora={_target_: i_lora, weight: 30, buffer: 1000, batch_size: 8}",)

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
    "i_lora": Row(
        (*I_LORA, "+method.i_lora.decay=0.6"),
        lambda: ILoRA(0.6, 30.0, 8),
        ("method.i_lora.decay=0", "method.i_lora.buffer=0"),
        adapters=("lora",),
        refused={"full": "it works on an adapter"},
    ),
    "i_lora_last": Row(
        (
            *I_LORA,
            "+method.i_lora.decay=0.6",
            "+method.i_lora.layers=last",
            "+method.i_lora.sides=both",
        ),
        lambda: ILoRA(0.6, 30.0, 8, first=-1),
        adapters=("lora",),
        zero_stages=(0, 3),
    ),
    "cia": Row(
        ("method=cia",),
        CIA,
        ("method.cia.from_task=3",),
        bf16=True,
    ),
    "cia_invariant": Row(
        ("method=cia", "method.cia.form=invariant"),
        lambda: CIA(invariant=True),
        adapters=("full",),
        zero_stages=(0, 3),
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
    "o_lora_cosine": Row(
        (*O_LORA, STACK, "+method.o_lora.penalty=cosine"),
        lambda: OLoRADelta(strength=20.0, cosine=True),
        adapters=("lora",),
        zero_stages=(0, 3),
        beside="lora_stack",
    ),
    "o_lora_delta": Row(
        (*O_LORA, STACK, "+method.o_lora.penalty=delta", "method.o_lora.lambda_1=1e6"),
        lambda: OLoRADelta(strength=1e6),
        adapters=("lora",),
        zero_stages=(0, 3),
        beside="lora_stack",
    ),
    "n_lora": Row(
        (*N_LORA, STACK),
        lambda: NLoRA(strength=0.1),
        ("method.n_lora.strength=0",),
        adapters=("lora",),
        beside="lora_stack",
    ),
    "n_lora_cosine": Row(
        (*N_LORA, STACK, "+method.n_lora.penalty=cosine"),
        lambda: NLoRA(strength=0.1, cosine=True),
        adapters=("lora",),
        zero_stages=(0, 3),
        beside="lora_stack",
    ),
    "reg_lora": Row(
        ("+method.reg_lora={_target_: reg_lora, strength: 100}", MERGE),
        lambda: RegLoRA(merge=True, strength=100.0),
        ("method.reg_lora.strength=0",),
        adapters=("lora",),
        beside="lora_merge",
    ),
    "inf_lora": Row(
        ("+method.inf_lora={_target_: inf_lora}", MERGE),
        lambda: InfLoRA(merge=True),
        adapters=("lora",),
        beside="lora_merge",
    ),
    "answer_styles": Row(
        ("method=answer_styles", "method.answer_styles.ratio=0.5", SENTENCES),
        Sentences,
        ("method.answer_styles.ratio=0",),
        adapters=("full",),
        zero_stages=(0, 3),
    ),
    "tree_lora": Row(
        ("+method.tree_lora={_target_: tree_lora, strength: 2}",),
        lambda: TreeLoRA(2.0),
        ("method.tree_lora.strength=0",),
        adapters=("lora",),
        refused={"full": "it works on an adapter"},
    ),
}
