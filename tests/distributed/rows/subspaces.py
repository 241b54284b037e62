"""Methods that work in subspaces of gradients or weights, or choose by squared gradients."""

from references.coso import CoSO
from references.fggm import FGGM
from references.ogd import OGD
from references.osft import OSFT
from references.refresh import Refresh
from rows.row import THREE, Row

ADAPTIVE = ("method=osft", "method.osft.adaptive=true", "method.osft.lowest=0")
# The blocks' importances lie closely around 1: of 64 directions one keeps 20 and the other 19.
MEAN = 20 / 64

ROWS = {
    "ogd": Row(
        ("method=ogd", "method.ogd.memories=6"),
        lambda: OGD(6),
        ("method.ogd.memories=0",),
        tasks=THREE,
        bf16=True,
    ),
    "ogd_loss": Row(
        ("method=ogd", "method.ogd.memories=6", "method.ogd.of=loss"),
        lambda: OGD(6, of_loss=True),
        adapters=("full",),
        zero_stages=(3,),
    ),
    "fggm": Row(
        ("method=fggm",),
        lambda: FGGM(0.7),
        ("method.fggm.threshold=0",),
        bf16=True,
    ),
    "fggm_per_tensor": Row(
        (
            "method=fggm",
            "method.fggm.batch_size=33",
            "method.fggm.normalise=mean",
            "method.fggm.scope=per_tensor",
        ),
        lambda: FGGM(0.7, batch=33, apart=True),
        adapters=("full",),
        zero_stages=(1,),
    ),
    "refresh": Row(
        (
            "method=refresh",
            "method.refresh.rate=0.002",
            "method.refresh.noise=0.01",
            "method.refresh.damping=2",
            "method.refresh.decay=0.5",
        ),
        lambda: Refresh(0.002, 0.01, 2.0, 0.5),
        ("method.refresh.rate=0",),
        tasks=THREE,
        bf16=True,
    ),
    "osft": Row(
        ("method=osft", "method.osft.unfrozen=0.3"),
        lambda: OSFT(0.3),
        ("method.osft.unfrozen=1",),
        adapters=("full",),
        refused={"lora": "it is not defined for adapters"},
        bf16=True,
    ),
    "osft_adaptive": Row(
        (*ADAPTIVE, f"method.osft.highest={MEAN}"),
        lambda: OSFT(1.0, adaptive=(0.0, MEAN)),
        adapters=("full",),
        zero_stages=(0, 3),
    ),
    "coso": Row(
        (
            "method=coso",
            "method.coso.rank=4",
            "method.coso.sketch=10",
            "method.coso.gap=2",
            "method.coso.threshold=0.9",
        ),
        lambda: CoSO(4, 10, 2, 0.9),
        ("method.coso.active=false",),
        adapters=("full",),
        tasks=THREE,
        refused={"lora": "it is not defined for adapters"},
        bf16=True,
    ),
}
