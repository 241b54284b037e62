"""Hours of a plan against numbers worked out by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.command import harness
from support.places import MICRO_MODEL

from harness.config import EngineConfig, EvalBackend, ModelConfig, Precision
from harness.config.compose.compose import load
from harness.errors import DataError
from harness.generation.backend import Sampling
from harness.generation.batches import Limits
from harness.generation.memory import Batches
from harness.generation.requests import Call, requests_of
from harness.plan.estimates import estimate, weight_count
from harness.plan.generating import generation_passes
from harness.plan.planner import make_plan
from harness.run.handlers import size
from harness.store.keys import FileHashes
from harness.store.work import EvalWork


def test_hand_computed() -> None:
    engine = EngineConfig(precision=Precision.bf16, tflops=100.0, bandwidth=2.0)
    found = estimate(
        7e9,
        engine,
        trained_tokens=10**9,
        read_tokens=10**8,
        generated_tokens=10**6,
        passes=10**5,
    )
    # 6 * 7e9 * 1e9 = 4.2e19 operations at 1e14 a second = 4.2e5 s
    assert abs(found.training_hours - 4.2e5 / 3600) < 1e-6
    # 2 * 7e9 * 1e8 operations: 14,000 s
    assert abs(found.reading_hours - 1.4e4 / 3600) < 1e-9
    # 1e5 passes read 14 GB at 2 TB/s: 700 s; 2 * 7e9 * 1e6 operations: 140 s
    assert abs(found.generation_hours - 840 / 3600) < 1e-9


VLLM = {"backend": EvalBackend.vllm, "batch_tokens": 40}


@pytest.fixture
def scored(tiny_run: list[str]) -> EvalWork:
    """An evaluation of 100 items of 30 tokens, 10 more of each answer at most."""
    config = load(tiny_run)
    works = make_plan(config, FileHashes()).of(EvalWork)
    benchmark = replace(works[0].benchmark, max_answer_tokens=10)
    return replace(works[0], benchmark=benchmark, items=100, read_tokens=3000, by_likelihood=False)


@pytest.mark.parametrize(
    ("rules", "passes"),
    [
        # 400 tokens a batch are 10 rows, and a chunk is a batch: 10 chunks of 10 passes.
        ({"batch_tokens": 400, "batch_size": 64}, 100),
        # No more than 4 rows a batch: 3 batches (4, 4, 2) in each of 10 chunks.
        ({"batch_tokens": 400, "batch_size": 4}, 300),
        # A chunk is all of it, two batches.
        ({"batch_tokens": 32768, "batch_size": 64}, 20),
        # Whatever the batches are, 50 rows of 40 tokens are in work, or all.
        (VLLM | {"tokens_in_flight": 2000, "batch_size": 1}, 20),
        (VLLM | {"tokens_in_flight": 10**6}, 10),
        (VLLM | {"backend": EvalBackend.paged, "tokens_in_flight": 2000}, 20),
    ],
)
def test_passes_are_those_of_the_chunks(
    scored: EvalWork, rules: dict[str, Any], passes: int
) -> None:
    settings = replace(scored.settings, eval=replace(scored.settings.eval, **rules))
    work = replace(scored, settings=settings)
    assert generation_passes(work) == passes
    assert size(work, {}).passes == passes
    assert generation_passes(replace(work, by_likelihood=True)) == 0
    assert generation_passes(replace(work, items=0)) == 0


def test_passes_are_those_that_a_backend_makes(scored: EvalWork) -> None:
    """The same rows as requests, cut and batched by scoring itself."""
    rules = replace(scored.settings.eval, batch_tokens=300, batch_size=5)
    work = replace(scored, settings=replace(scored.settings, eval=rules))
    requests = requests_of([Call(Sampling(10), [[7] * 30] * 100)], rules.batch_tokens)
    batches = Batches(Limits(rules.batch_size, rules.batch_tokens))
    made = [
        batch
        for chunk in requests.chunks
        for batch, _ in batches.run(range(len(chunk.members)), [40] * 100, lambda rows: rows)
    ]
    assert generation_passes(work) == 10 * len(made)


def test_weights_are_counted_or_told() -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(MICRO_MODEL, dtype=torch.float32)
    counted = sum(p.numel() for p in model.parameters())
    assert weight_count(ModelConfig(name="m", path=str(MICRO_MODEL))) == counted
    assert weight_count(ModelConfig(name="m", path="a/b", parameters=6.74)) == 6.74e9
    assert weight_count(ModelConfig(name="m", path="a/b")) is None


def test_a_file_of_weights_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(DataError, match="is not a safetensors file"):
        weight_count(ModelConfig(name="m", path=str(tmp_path)))


def test_data_of_an_unset_variable_is_named() -> None:
    done = harness("plan", "sequence=trace", "data=trace_500")
    assert done.returncode == 2
    assert "TRACE_DATA" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
