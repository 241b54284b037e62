"""What training holds in memory: nothing after a stage, the same weights with parts of them in host
memory, and an export in pieces that is the file transformers writes. One launch of two ranks."""

from pathlib import Path

import pytest
import torch
from memory_bench import (
    EXPORTS,
    METHODS,
    MOVED,
    OFFLOADS,
    TOLERANCE,
    Bench,
    check_export,
    check_nothing_outlives_its_stage,
    largest_difference,
    name_of,
)
from safetensors.torch import load_file

pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module")
def bench(tiny_model: Path, tiny_data: Path, tiny_conf: list[str]) -> Bench:
    return Bench(tiny_model, [*tiny_conf, f"model.path={tiny_model}", f"data.root={tiny_data}"])


@pytest.fixture(scope="module")
def out(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    wanted = [(*one, "fp32") for one in MOVED]
    wanted += [(method, 2, "none", "fp32") for method in METHODS]
    wanted += [("seqft", 0, "none", "fp32"), ("seqft", 3, "none", "fp32")]
    wanted += [("seqft", zero, where, "bf16") for zero, where in [(1, "none"), *OFFLOADS[1:]]]
    return bench.launch(wanted, EXPORTS, tmp_path_factory.mktemp("memory"), "cpu")


def test_no_engine_outlives_its_stage(out: Path) -> None:
    check_nothing_outlives_its_stage(out, len(MOVED))


@pytest.mark.parametrize(("method", "zero", "where"), MOVED)
def test_host_memory_changes_no_weight(method: str, zero: int, where: str, out: Path) -> None:
    assert largest_difference(method, zero, where, out) <= TOLERANCE


@pytest.mark.parametrize(("zero", "where"), OFFLOADS[1:])
def test_host_memory_under_bf16(zero: int, where: str, tiny_model: Path, out: Path) -> None:
    """Updates are those of the engine that keeps all on the device, up to what bf16 computes."""
    start = load_file(tiny_model / "model.safetensors")
    ours, plain = (
        load_file(out / name_of("seqft", *how, "bf16") / "2" / "model.safetensors")
        for how in ((zero, where), (1, "none"))
    )
    a, b = (torch.cat([(m[n] - start[n]).flatten() for n in sorted(start)]) for m in (ours, plain))
    assert float(a @ b / (a.norm() * b.norm())) > 0.95


@pytest.mark.parametrize(("precision", "zero"), EXPORTS)
def test_an_export_is_what_transformers_writes(precision: str, zero: int, out: Path) -> None:
    check_export(precision, zero, out)
