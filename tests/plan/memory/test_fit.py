"""What certainly does not fit is refused with what would, on machines that are declared."""

from pathlib import Path

import pytest
from support.command import harness, refused

from harness.config.compose.compose import load
from harness.plan.memory import machine as machines
from harness.plan.memory.fit import memory_mistakes, memory_of, refusals, warnings
from harness.plan.planner import make_plan
from harness.store.keys import FileHashes

SEVEN = [
    "model=llama2-7b-chat",  # which brings bf16, ZeRO 2 and activations computed twice
    "suite=[]",
]


def declared(ranks: int, memory: float, *more: str) -> list[str]:
    where = [f"engine.ranks={ranks}", "engine.device=cuda", f"engine.device_memory={memory}"]
    return [*SEVEN, *where, *more]


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def told(overrides: list[str]) -> tuple[list[str], list[str]]:
    """(refusals, warnings) of a run."""
    config = load(overrides)
    memory = memory_of(config, make_plan(config, FileHashes()).nodes)
    assert memory is not None
    return [*refusals(memory)], [*warnings(memory)]


def test_eight_ranks_of_24_gb_are_too_small_and_of_80_are_not() -> None:
    (line,), _ = told(declared(8, 24))
    assert "at ZeRO 2 on 8 ranks takes at least 27.0 GB of each" in line
    assert "weights 13.5, masters 3.4, gradients 3.4, moments 6.7" in line
    assert "engine.zero_stage=3" in line
    assert "engine.offload=optimizer" in line
    assert "method=lora_seqft" in line
    assert told(declared(8, 80, "eval.batch_size=8")) == ([], [])


def test_one_rank_of_80_gb_is_offered_offloading() -> None:
    (line,), _ = told(declared(1, 80))
    assert "on 1 rank takes at least 121.3 GB" in line
    assert "engine.offload=optimizer (" in line
    assert "GB of host memory" in line
    assert told(declared(1, 80, "engine.offload=optimizer", "eval.batch_size=8"))[0] == []


@pytest.mark.parametrize("setting", ["engine.zero_stage=3", "engine.offload=optimizer"])
def test_what_is_offered_fits(setting: str) -> None:
    assert told(declared(8, 24, setting, "eval.batch_size=1"))[0] == []


def test_a_close_call_is_a_warning() -> None:
    refusal, (line, *_) = told(declared(8, 32, "eval.batch_size=1"))
    assert refusal == []
    assert line.startswith("close: training may take 29.1 of the 32.0 GB")
    assert "would fit: " in line


def test_rows_that_are_scored_at_once() -> None:
    """0.5 MiB of keys and values a token in bf16, and a block's twice."""
    many = "eval.batch_tokens=1000000"
    _, (line,) = told(declared(8, 80, many, "eval.batch_size=2000"))
    assert "scoring 2000 rows" in line
    fewer = int(line.rpartition("=")[2])
    assert told(declared(8, 80, many, f"eval.batch_size={fewer}")) == ([], [])
    assert told(declared(8, 80, many, f"eval.batch_size={fewer + fewer // 5}"))[1] != []
    assert told(declared(8, 80, "eval.batch_size=2000")) == ([], [])  # a batch has a budget


def test_a_strategy_that_freezes_weights_is_not_refused_by_all_of_them() -> None:
    assert told(declared(8, 24, "method=hft"))[0] == []
    assert told(declared(8, 10, "method=hft"))[0] != []


def test_in_fp32_bf16_is_offered() -> None:
    (line,), _ = told(declared(8, 80, "engine=zero0", "engine.precision=fp32"))
    assert "engine=zero2 engine.precision=bf16 (" in line


def test_a_cpu_has_the_memory_of_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "host_memory", lambda: 64e9)
    on_cpu = [*SEVEN, "engine.device=cpu", "engine.ranks=2"]
    config = load(on_cpu)
    (line,) = memory_mistakes(config, make_plan(config, FileHashes()).nodes)
    assert line.startswith("32.0 GB of memory for each rank: training llama2-7b-chat")
    monkeypatch.setattr(machines, "host_memory", lambda: 640e9)
    assert memory_mistakes(config, make_plan(config, FileHashes()).nodes) == []


def test_gradients_that_are_kept_on_a_cpu_have_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "host_memory", lambda: 64e9)
    config = load([*SEVEN, "engine.device=cpu", "engine.ranks=2", "method=agem"])
    (line,) = memory_mistakes(config, make_plan(config, FileHashes()).nodes)
    assert "moments 27.0, kept gradients 27.0); " in line


def test_a_model_that_nobody_knows_is_not_checked(tmp_path: Path) -> None:
    config = load([*declared(8, 1), "model.path=a/b", "model.parameters=null", "model.shape=null"])
    assert memory_of(config, make_plan(config, FileHashes()).nodes) is None


def test_plan_prints_the_table_before_it_refuses(tmp_path: Path) -> None:
    places = [f"store.root={tmp_path / 'store'}", f"store.results={tmp_path / 'results'}"]
    done = harness("plan", *declared(8, 24), *places)
    assert done.returncode == 2
    assert done.stderr.startswith("error: engine.device_memory=24 (GB of a device): training")
    assert len(done.stderr.strip().splitlines()) == 1
    rows = {line[:44].strip(): line[44:].split() for line in done.stdout.splitlines()}
    assert rows["weights"] == ["13.5", "13.5", "1.7", "13.5", "0.0"]
    assert rows["moments"] == ["6.7", "6.7", "6.7", "0.0", "0.0"]
    assert "activations, computed twice*" in rows
    done = harness("plan", *declared(8, 80), *places)
    assert done.returncode == 0, done.stderr


def test_running_needs_the_devices_that_a_plan_declares(tmp_path: Path) -> None:
    line = refused(*declared(8, 80), f"store.root={tmp_path / 'store'}")
    assert "engine.device=cuda, but there is no GPU here" in line


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("engine.device_memory=0", "engine.device_memory=0.0: it must be a positive number"),
        ("model.shape.hidden_size=0", "model.shape.hidden_size=0: it must be at least 1"),
        ("engine.offload=some", "engine.offload: Invalid value 'some'"),
    ],
)
def test_wrong_values(override: str, told: str, tmp_path: Path) -> None:
    assert told in refused(*SEVEN, override, f"store.root={tmp_path / 'store'}")
