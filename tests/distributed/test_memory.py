"""What training holds in memory: nothing after a stage, the same weights with parts of them in host
memory, and an export in pieces that is the file transformers writes. One launch of two ranks."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from launch import cell, run_ranks, why_failed
from safetensors.torch import load_file
from support.places import MICRO_MODEL

TOLERANCE = 2e-5
# Plain fine-tuning, changed gradients, changed weights, moments carried over in files.
METHODS = {
    "seqft": ["method=seqft"],
    "agem": ["method=agem"],
    "l2": ["method=l2", "method.form=decoupled_after", "method.strength=50"],
    "carried": ["method=seqft", "train.reset_optimizer=never"],
}
# Embeddings that are the head as well, and an adapter.
LOADED = {"tied": ["method=seqft", f"model.path={MICRO_MODEL}"], "lora": ["method=lora_seqft"]}
TASKS = ("copy", "count")
OFFLOADS = [(1, "optimizer"), (2, "optimizer"), (3, "optimizer"), (3, "all")]
# Edited gradients everywhere; the rest at the two kinds of layout.
MOVED = [("agem", *how) for how in OFFLOADS]
MOVED += [(method, *how) for method in ("l2", "carried") for how in (OFFLOADS[1], OFFLOADS[3])]
EXPORTS = [(p, zero) for p in ("fp32", "bf16") for zero in range(4) if p == "fp32" or zero > 0]
pytestmark = pytest.mark.distributed


def _name(method: str, zero: int, offload: str, precision: str = "fp32") -> str:
    return f"{method}-zero{zero}-{offload}-{precision}"


@dataclass
class Bench:
    """What all cells have in common."""

    model: Path
    places: list[str]

    def launch(self, wanted: list[tuple], exports: list[tuple], out: Path, device: str) -> Path:
        """Run cells (method, ZeRO stage, offload, precision) and exports (precision, ZeRO stage) on
        two CPU ranks or one GPU: a folder for each in `out`, by `_name` and `<precision>-zero<n>`.
        """
        from memory_rank import FROZEN

        cells = []
        for method, zero, where, precision in wanted:
            place = out / _name(method, zero, where, precision)
            more = [f"engine.offload={where}", f"engine.precision={precision}"]
            cells.append(
                cell([*self.places, *(METHODS | LOADED)[method], *more], TASKS, zero, place)
            )
            place.mkdir()
        torch.save(load_file(self.model / "model.safetensors")[FROZEN], out / "frozen.pt")
        plan = {"cells": cells, "exports": exports, "model": str(self.model), "out": str(out)}
        world = 2 if device == "cpu" else 1
        codes = run_ranks("memory_rank.py", world, plan | {"device": device}, out)
        told = [why_failed(out / _name(*one)) for one in wanted]
        failed = [line for line in told if line != "no word"]
        log = (out / "rank0.log").read_text()[-3000:]
        assert codes == [0] * world, (failed or [log])[0]
        return out


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
    files = sorted(out.glob("*/alive.*.json"))
    assert len(files) >= len(MOVED)
    for file in files:
        seen, alive = json.loads(file.read_text())
        assert seen >= 3 * len(TASKS)
        assert alive == [0, 0], file.parent.name


def _largest_difference(method: str, zero: int, where: str, out: Path) -> float:
    """To the engine that keeps all on the device, over both tasks."""
    found = []
    for task in ("1", "2"):
        ours, plain = (
            load_file(next((out / _name(method, *how) / task).glob("*model.safetensors")))
            for how in ((zero, where), (2, "none"))
        )
        found += [float((ours[name] - plain[name]).abs().max()) for name in plain]
    return max(found)


@pytest.mark.parametrize(("method", "zero", "where"), MOVED)
def test_host_memory_changes_no_weight(method: str, zero: int, where: str, out: Path) -> None:
    assert _largest_difference(method, zero, where, out) <= TOLERANCE


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
    assert _largest_difference(method, 3, "none", out) <= TOLERANCE


def test_an_adapter_in_bf16_on_a_model_in_parts(out: Path) -> None:
    """The factors that start at zero go where they go on a whole model."""
    both = [
        load_file(out / _name("lora", zero, "none", "bf16") / "2" / "adapter_model.safetensors")
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
        load_file(out / _name("seqft", *how, "bf16") / "2" / "model.safetensors")
        for how in ((zero, where), (1, "none"))
    )
    a, b = (torch.cat([(m[n] - start[n]).flatten() for n in sorted(start)]) for m in (ours, plain))
    assert float(a @ b / (a.norm() * b.norm())) > 0.95


@pytest.mark.parametrize(("precision", "zero"), EXPORTS)
def test_an_export_is_what_transformers_writes(precision: str, zero: int, out: Path) -> None:
    ours, theirs = (out / f"{precision}-zero{zero}" / whose for whose in ("ours", "theirs"))
    names = sorted(path.name for path in theirs.iterdir())
    assert "model.safetensors" in names
    assert sorted(path.name for path in ours.iterdir()) == names
    for name in names:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_same_on_a_gpu(bench: Bench, tmp_path: Path) -> None:
    """Nothing is alive after a stage, and host memory beside a real device changes no weight."""
    wanted = [(*one, "fp32") for one in MOVED]
    wanted += [(method, 2, "none", "fp32") for method in METHODS]
    wanted += [("seqft", zero, "none", "bf16") for zero in (1, 2, 3)]
    out = bench.launch(wanted, EXPORTS, tmp_path, "cuda")
    test_no_engine_outlives_its_stage(out)
    for method, zero, where in MOVED:
        assert _largest_difference(method, zero, where, out) <= TOLERANCE
    for precision, zero in EXPORTS:
        test_an_export_is_what_transformers_writes(precision, zero, out)
