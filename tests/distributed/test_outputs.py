"""Hidden states and attentions that strategies read, against transformers alone: at ZeRO 0-3, of
packed and padded rows, on 1 and 2 ranks, and where a rank has no rows."""

import json
import random
from itertools import product
from pathlib import Path

import pytest
from launch import run_ranks
from plain import read

# ZeRO stage, packed?, activations recomputed?
CASES = [*product((0, 1, 2, 3), (True, False), (False,)), (1, True, True), (3, False, True)]
WORLDS = (1, 2)
ROWS = 7
pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module")
def found(
    tiny_model: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple, list[dict]]:
    """(ranks, case) -> what each rank measured."""
    result = {}
    for world in WORLDS:
        out = tmp_path_factory.mktemp("outputs")
        rows = random.Random(5).sample(read(tiny_data, "copy"), ROWS)
        plan = {"model": str(tiny_model), "rows": rows, "cases": CASES, "out": str(out)}
        codes = run_ranks("outputs_rank.py", world, plan, out)
        assert codes == [0] * world, (out / "rank0.log").read_text()[-3000:]
        for zero, packed, again in CASES:
            files = [out / f"{zero}-{packed}-{again}.{rank}.json" for rank in range(world)]
            result[world, zero, packed, again] = [json.loads(file.read_text()) for file in files]
    return result


@pytest.mark.parametrize(("zero", "packed", "again"), CASES)
@pytest.mark.parametrize("world", WORLDS)
def test_outputs(world: int, zero: int, packed: bool, again: bool, found: dict) -> None:
    ranks = found[world, zero, packed, again]
    assert sum(rank["rows"] for rank in ranks) == ROWS
    for rank in ranks:
        for name in ("hidden", "whole", "attention", "square"):
            assert rank[name] <= 1e-5, name
        assert rank["gradient"] <= 1e-6
    told = [rank["refused"] for rank in ranks]
    assert any("Needs(outputs=Outputs(hidden_states=(2,)))" in line for line in told)
