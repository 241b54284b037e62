"""Hours and disk of a plan against numbers worked out by hand."""

from pathlib import Path

import pytest
from support.command import harness
from support.places import MICRO_MODEL

from harness.config import EngineConfig, ModelConfig, Precision
from harness.errors import DataError
from harness.plan.estimates import estimate, weight_count


def test_hand_computed() -> None:
    engine = EngineConfig(precision=Precision.bf16, tflops=100.0, bandwidth=2.0)
    found = estimate(7e9, engine, 10, 10**9, read_tokens=10**8, generated_tokens=10**6, stages=8)
    # 6 * 7e9 * 1e9 = 4.2e19 operations at 1e14 a second = 4.2e5 s
    assert abs(found.training_hours - 4.2e5 / 3600) < 1e-6
    # 2 * 7e9 * 1e8 operations: 14,000 s
    assert abs(found.reading_hours - 1.4e4 / 3600) < 1e-9
    # 1e5 steps read 14 GB at 2 TB/s: 700 s; 2 * 7e9 * 1e6 operations: 140 s
    assert abs(found.generation_hours - 840 / 3600) < 1e-9
    assert found.disk_bytes == 8 * 28e9


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
