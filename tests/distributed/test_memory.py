"""What training holds in memory: nothing after a stage, the same weights with parts of them in host
memory, and an export in pieces that is the file transformers writes. One launch of two ranks."""

import json
from pathlib import Path

import pytest
import torch
from memory_bench import (
    EXPORTS,
    LOADED,
    METHODS,
    MOVED,
    OFFLOADS,
    TASKS,
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
    wanted += [(one, zero, "none", "fp32") for one in LOADED for zero in (2, 3)]
    wanted += [("lora", zero, "none", "bf16") for zero in (2, 3)]
    return bench.launch(wanted, EXPORTS, tmp_path_factory.mktemp("memory"), "cpu")


def test_no_engine_outlives_its_stage(out: Path) -> None:
    check_nothing_outlives_its_stage(out, len(MOVED))


@pytest.mark.parametrize(("method", "zero", "where"), MOVED)
def test_host_memory_changes_no_weight(method: str, zero: int, where: str, out: Path) -> None:
    assert largest_difference(method, zero, where, out) <= TOLERANCE


def test_no_rank_has_a_whole_model_at_zero_3(out: Path) -> None:
    """What an engine is given is cut or not loaded yet; of an adapter's model the adapter is."""
    for file in sorted(out.glob("*/whole.*.json")):
        method, zero, *_ = file.parent.name.split("-")
        given = json.loads(file.read_text())
        assert len(given) == len(TASKS)
        adapter = 2 * 2 * 8 * (64 + 64) if method == "lora" else 0  # rank 8, queries and values
        if zero == "zero3":
            assert max(given) <= adapter, file.parent.name
        else:
            assert min(given) > 50_000, file.parent.name


@pytest.mark.parametrize("method", LOADED)
def test_loading_in_parts_changes_no_weight(method: str, out: Path) -> None:
    assert largest_difference(method, 3, "none", out) <= TOLERANCE


def test_an_adapter_in_bf16_on_a_model_in_parts(out: Path) -> None:
    """The factors that start at zero go where they go on a whole model."""
    both = [
        load_file(out / name_of("lora", zero, "none", "bf16") / "2" / "adapter_model.safetensors")
        for zero in (2, 3)
    ]
    names = [name for name in sorted(both[0]) if "lora_B" in name]
    whole, parts = (torch.cat([one[name].flatten() for name in names]) for one in both)
    assert float(whole @ parts / (whole.norm() * parts.norm())) > 0.95


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
