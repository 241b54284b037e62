"""Methods that choose what is trained, or change gradients."""

from references.agem import AGEM
from references.frozen import HFT, Freeze
from references.gem import GEM
from references.migu import MIGU
from rows.row import THREE, Row

ROWS = {
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
    "agem": Row(
        ("method=agem", "method.ratio=0.5", "method.batch_size=8"),
        lambda: AGEM(0.5, 8),
        ("method.ratio=0",),
        bf16=True,
    ),
}
