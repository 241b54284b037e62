"""Methods on encoder-decoders: a T5, and one in the form of T5 1.1 and FLAN-T5."""

from collections.abc import Callable

from plain import Reference
from references.agem import AGEM
from references.ema import EMA
from references.ewc import EWC
from references.frozen import T5HFT, T5Freeze
from references.gem import GEM
from references.l2 import L2
from references.lwf import LwF
from references.migu import MIGU
from references.replay import Replay
from references.sfa import SFA
from references.stacked import OLoRA, Stacked
from rows.adapters import MERGE, O_LORA, STACK
from rows.row import THREE, TWO, Row

FEW = ((0, 1), (3, 1), (2, 2), (3, 2))
ALL = tuple((zero, world) for zero in range(4) for world in (1, 2))


def t5(
    overrides: tuple[str, ...],
    reference: Callable[[], Reference],
    beside: str = "t5_seqft",
    cells: tuple[tuple[int, int], ...] = FEW,
    adapter: str = "full",
    model: str = "t5",
    tasks: tuple[str, ...] = TWO,
    bf16: bool = False,
) -> Row:
    """A row of a T5."""
    return Row(
        overrides, reference, adapters=(adapter,), beside=beside, cells=cells, model=model,
        tasks=tasks, bf16=bf16,
    )  # fmt: skip


ROWS = {
    "t5_seqft": t5(("method=seqft",), Reference, cells=ALL),
    "t5_seqft_gated": t5(("method=seqft",), Reference, model="flan"),
    "t5_seqft_3tasks": t5(("method=seqft",), Reference, tasks=THREE, cells=((0, 1),)),
    "t5_replay": t5(("method=replay", "method.ratio=0.5"), Replay),
    "t5_sfa": t5(
        ("method=sfa", "method.p=0.4", "method.beta=0.3"),
        lambda: SFA(period=2, beta=0.3),
        cells=ALL,
        bf16=True,
    ),
    "t5_l2": t5(("method=l2", "method.strength=0.3"), lambda: L2(0.3, "loss")),
    "t5_ewc": t5(
        ("method=ewc", "method.num_samples=10", "method.strength=100", "method.gamma=0.5"),
        lambda: EWC(100.0, samples=10, gamma=0.5),
    ),
    "t5_gem": t5(
        ("method=gem", "method.gem.ratio=0.5", "method.gem.batch_size=8"),
        lambda: GEM(0.5, 8, 0.5),
        beside="t5_seqft_3tasks",
        tasks=THREE,
    ),
    "t5_agem": t5(("method=agem", "method.ratio=0.5", "method.batch_size=8"), lambda: AGEM(0.5, 8)),
    "t5_migu": t5(("method=migu",), lambda: MIGU(0.7)),
    "t5_lwf": t5(("method=lwf", "method.lwf.top_k=5000"), lambda: LwF(1.0, 2.0)),
    "t5_ema": t5(("method=ema", "method.ema.decay=0.6"), lambda: EMA(0.6)),
    "t5_hft": t5(("method=hft",), T5HFT),
    "t5_freeze": t5(("method=freeze",), T5Freeze),
    "t5_lora_stack": t5(("method=seqft", STACK), Stacked, "t5_lora_stack", adapter="lora"),
    "t5_o_lora": t5(
        (*O_LORA, STACK), lambda: OLoRA(strength=20.0), "t5_lora_stack", adapter="lora"
    ),
    "t5_lora_merge": t5(
        ("method=seqft", MERGE), lambda: Stacked(merge=True), "t5_lora_merge", adapter="lora"
    ),
}
