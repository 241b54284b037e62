"""Methods that keep what an earlier model said."""

from references.lwf import LwF
from rows.row import Row

ROWS = {
    "lwf": Row(
        ("method=lwf", "method.lwf.top_k=5000"),
        lambda: LwF(1.0, 2.0),
        ("method.lwf.weight=0",),
        bf16=True,
    ),
}
