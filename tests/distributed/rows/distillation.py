"""Methods that keep what an earlier model said."""

from references.der import DER
from references.fpf import FPF
from references.gere import GeRe
from references.kl_initial import KLInitial
from references.lwf import LwF
from references.seekr import SEEKR
from references.texts import FILE
from references.zscl import ZSCL
from rows.row import THREE, Row

DER_ROWS = ("method=der", "method.ratio=0.5", "method.der.batch_size=8", "method.der.top_k=16")
KL_ALL = ("method.kl_initial.top_k=5000",)
FPF_ROWS = ("method=fpf", "method.fpf.share=0.3", "method.fpf.ratio=0.5", "method.fpf.steps=3")
FPF_ROWS += ("method.fpf.batch_size=8",)
SEEKR_ROWS = ("method=seekr", "method.ratio=0.5", "method.attention_weight=5")
SEEKR_ROWS += ("method.seekr.heads=3", "method.seekr.queries=6", "method.seekr.top_k=5000")
GERE_KL = (
    "method=gere",
    f"method.texts={FILE}",
    "method.distil=kl",
    "method.gere.labels=false",
    "method.gere.weight=3",
    "method.gere.top_k=5000",
)
ROWS = {
    "lwf": Row(
        ("method=lwf", "method.lwf.top_k=5000"),
        lambda: LwF(1.0, 2.0),
        ("method.lwf.weight=0",),
        bf16=True,
    ),
    "der": Row(
        DER_ROWS,
        lambda: DER(0.5, 0.5, ratio=0.5, batch=8, k=16),
        ("method.alpha=0", "method.beta=0"),
        bf16=True,
    ),
    "kl_initial": Row(
        ("method=kl_initial", "method.kl_initial.weight=1", "method.kl_initial.top_k=5000"),
        lambda: KLInitial(1.0),
        ("method.kl_initial.weight=0",),
        bf16=True,
    ),
    "kl_initial_forward": Row(
        ("method=kl_initial", "method.kl_initial.direction=forward", *KL_ALL),
        lambda: KLInitial(0.1, forward=True),
        adapters=("full",),
        zero_stages=(0, 3),
    ),
    "zscl": Row(
        ("method=zscl", f"method.texts={FILE}", "method.zscl.p=0.4", "method.zscl.top_k=5000"),
        lambda: ZSCL(batch=8, period=2),
        ("method.zscl.weight=0", "method.zscl.p=0"),
        bf16=True,
    ),
    "gere": Row(
        ("method=gere", f"method.texts={FILE}", "method.gere.dynamic=true"),
        lambda: GeRe(batch=8),
        ("method.gere.weight=0", "method.gere.labels=false", "method.gere.dynamic=false"),
        bf16=True,
    ),
    "gere_kl": Row(
        GERE_KL,
        lambda: GeRe(batch=8, weight=3.0),
        adapters=("full",),
        zero_stages=(0, 3),
    ),
    "fpf": Row(
        FPF_ROWS,
        lambda: FPF((5,), steps=3, rate=1e-3, share=0.3, ratio=0.5, batch=8),
        ("method.fpf.times=0",),
        bf16=True,
    ),
    "k_fpf": Row(
        (*FPF_ROWS, "method.fpf.times=2"),
        lambda: FPF((2, 5), steps=3, rate=1e-3, share=0.3, ratio=0.5, batch=8),
        adapters=("full",),
        zero_stages=(0, 3),
    ),
    "seekr": Row(
        (*SEEKR_ROWS, "model.attention=eager"),
        lambda: SEEKR(0.5, attention=5.0, heads=3, queries=6),
        ("method.ratio=0", "model.attention=sdpa"),
        tasks=THREE,
    ),
}
