"""Estimates at the pace of what the store has done, on devices of the same name alone."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.command import harness

from harness.cli.display import Display
from harness.config import HarnessConfig
from harness.config.compose.compose import load
from harness.config.plain import plain
from harness.plan import throughput
from harness.plan.estimates import Estimate, estimate, weight_count
from harness.plan.planner import make_plan
from harness.plan.throughput import Seen, Throughput, measured
from harness.run.events import Event, watched
from harness.run.handlers import size
from harness.store.keys import FileHashes
from harness.store.layout import DETAILS, TRAINING
from harness.store.store import Store
from harness.store.work import EvalWork, TrainWork

TOKENS, HOURS, SECONDS = 1000, 0.5, 7.0


@pytest.fixture
def store_with(
    tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Store]:
    """A store in which the first task is trained, and stage 0 scored, on the devices named."""
    monkeypatch.setattr(throughput, "device_name", lambda device: "Fast 1000")

    def filled(machine: str = "Fast 1000", *overrides: str) -> Store:
        config = load([*tiny_run, *overrides])
        store = Store(tmp_path / "store")
        nodes = make_plan(config, store.hashes).nodes
        work = next(node for node in nodes if isinstance(node, TrainWork))
        scored = next(node for node in nodes if isinstance(node, EvalWork))
        about = {"machine": machine, "config": plain(config), "ranks": 2}
        for node in (work, scored):
            told = {**node.to_json(), "identity": node.content(), **about}
            with store.writing(node.kind, node.key, told) as folder:
                cost = {"trained_tokens": TOKENS, "device_hours": HOURS}
                (folder / TRAINING).write_text(json.dumps({"cost": cost}))
                (folder / DETAILS).write_text(json.dumps({"device_seconds": SECONDS}))
        return store

    return filled


def test_hours_are_those_that_were_taken(store_with, tiny_run: list[str]) -> None:
    store, config = store_with(), load(tiny_run)
    found = measured(config, store)
    weights = weight_count(config.model)
    assert weights is not None
    twice = replace(estimate(weights, config.engine, trained_tokens=2 * TOKENS), disk_bytes=7.0)
    assert found.corrected(twice).training_hours == pytest.approx(2 * HOURS)
    assert found.corrected(twice).disk_bytes == 7.0
    assert "as measured on Fast 1000 (1 stages, 1 evaluations" in found.told(config)


def cost_of(work: EvalWork, config: HarnessConfig) -> Estimate:
    """The estimate of `plan`."""
    needed = size(work, {})
    return estimate(
        weight_count(config.model) or 0.0,
        config.engine,
        read_tokens=needed.read,
        generated_tokens=needed.generated,
        passes=needed.passes,
    )


def test_scoring_is_in_proportion_to_its_estimate(store_with, tiny_run: list[str]) -> None:
    store, config = store_with(), load(tiny_run)
    nodes = make_plan(config, store.hashes).nodes
    work = next(node for node in nodes if isinstance(node, EvalWork))
    found = measured(config, store).corrected(cost_of(work, config), work.label)
    assert found.reading_hours + found.generation_hours == pytest.approx(SECONDS / 3600)


def test_batches_of_then_and_of_now_count(store_with, tiny_run: list[str]) -> None:
    """What was measured with small batches says what larger ones will take."""
    single = ["eval.batch_size=1", "engine.tflops=1e9"]  # passes alone take time
    store, config = store_with("Fast 1000", *single), load([*tiny_run, "engine.tflops=1e9"])
    works = [n for n in make_plan(config, store.hashes).nodes if isinstance(n, EvalWork)]
    found = measured(config, store).corrected(cost_of(works[0], config), works[0].label)
    assert works[0].items == 8  # one batch
    assert 3600 * found.generation_hours == pytest.approx(SECONDS / 8, rel=1e-3)


def test_a_benchmark_goes_by_itself_then_by_its_like() -> None:
    def seen(label: str, generates: bool, hours: float) -> Seen:
        return Seen(label, generates, hours, estimated=1.0, seconds=1.0, effort=1.0)

    works = [seen("a", True, 2.0), seen("a", True, 4.0), seen("b", True, 9.0), seen("c", False, 5)]
    pace = Throughput("Fast 1000", {"eval": works})
    assert pace.factor("eval", "a", generates=True) == 3.0
    assert pace.factor("eval", "new", generates=True) == 5.0  # of a, a and b
    assert pace.factor("eval", "new", generates=False) == 5.0
    cost = Estimate(1.0, 1.0, 1.0, 1.0)
    assert pace.corrected(cost, "b") == Estimate(1.0, 9.0, 9.0, 1.0)
    assert pace.corrected(cost, "b").training_hours == 1.0  # nothing was trained
    assert Throughput("Fast 1000").corrected(cost) == cost


def test_other_devices_sizes_and_adapters_do_not_count(store_with, tiny_run: list[str]) -> None:
    store = store_with("Slow 1")
    assert measured(load(tiny_run), store).seen == {}
    store_with()
    larger = [word for word in tiny_run if not word.startswith("model.path")]
    assert measured(load([*larger, "model=llama2-7b-chat"]), store).seen == {}
    assert set(measured(load([*tiny_run, "method=lora_seqft"]), store).seen) == {"eval"}
    assert set(measured(load(tiny_run), store).seen) == {"train", "eval"}
    assert set(measured(load([*tiny_run, "eval.backend=paged"]), store).seen) == {"train"}


def test_a_damaged_node_is_passed_over(store_with, tiny_run: list[str]) -> None:
    store = store_with()
    for path in store.root.glob(f"*/*/{TRAINING}"):
        path.write_text("{")
    assert set(measured(load(tiny_run), store).seen) == {"eval"}


def test_plan_tells_its_pace(store_with, tiny_run: list[str]) -> None:
    before = harness("plan", *tiny_run).stdout
    assert "estimate for" not in before  # of a model this small arithmetic tells no time
    store_with()
    told = harness("plan", *tiny_run).stdout
    assert "billion weights, as measured on Fast 1000" in told
    assert "on the clock" not in told
    told = harness("plan", *tiny_run, "eval.beside=1").stdout
    assert "hours, training on 1 of the ranks and scoring beside it on 1; without" in told


def test_time_left_of_what_has_not_begun(
    tiny_run: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two stages of 30 units of effort at 2 seconds each; the one evaluation is done."""
    nodes = make_plan(load(tiny_run), FileHashes()).nodes
    stages = [replace(node, effort=30.0) for node in nodes if isinstance(node, TrainWork)]
    scored = next(node for node in nodes if isinstance(node, EvalWork))
    display = Display(lambda: {"train": 2.0})
    with watched(display, [scored, *stages]):
        display.follow(Event(scored.key, 1.0))
    assert "left 2:00" in capsys.readouterr().err
