"""On a GPU: nothing is alive after a stage, host memory beside a real device changes no weight, and
an export is the file that transformers writes."""

from pathlib import Path

import pytest
from memory_bench import (
    EXPORTS,
    MOVED,
    TOLERANCE,
    Bench,
    check_export,
    check_nothing_outlives_its_stage,
    largest_difference,
)

pytestmark = [pytest.mark.gpu, pytest.mark.distributed]


def test_the_same_on_a_gpu(
    tiny_model: Path, places: list[str], world: int, device: str, tmp_path: Path
) -> None:
    """On a CPU, where the test is tried, a part of it."""
    moved, exports = (MOVED, EXPORTS) if device == "cuda" else (MOVED[:1], EXPORTS[:1])
    wanted = [(*one, "fp32") for one in moved]
    wanted += [(method, 2, "none", "fp32") for method in dict.fromkeys(m for m, *_ in moved)]
    wanted += [("seqft", zero, "none", "bf16") for zero in (1, 2, 3)]
    out = Bench(tiny_model, places).launch(wanted, exports, tmp_path, device, world)
    check_nothing_outlives_its_stage(out, len(wanted))
    for method, zero, where in moved:
        assert largest_difference(method, zero, where, out) <= TOLERANCE
    for precision, zero in exports:
        check_export(precision, zero, out)
