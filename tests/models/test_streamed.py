"""Weights in pieces: read as stored, merged with an adapter, written in shards; against what
transformers and peft make of whole models."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harness.config import AdapterConfig, BetweenTasks, ModelConfig
from harness.models.adapters import lora, stages
from harness.models.loading import load_model
from harness.models.weights import saving, tensor_file
from harness.models.weights.stored import StoredWeights, stored_weights

ALL = ["all-linear"]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces that end within rows."""
    monkeypatch.setattr(tensor_file, "PIECE", 1000)


def settings(folder: Path) -> ModelConfig:
    return ModelConfig(name="tiny", path=str(folder))


def adapter(between: BetweenTasks = BetweenTasks.keep) -> AdapterConfig:
    return AdapterConfig(rank=3, alpha=7.0, dropout=0.0, targets=ALL, between_tasks=between)


@pytest.fixture
def adapted(tiny_model: Path, tmp_path: Path) -> Path:
    """An adapter that changes every linear layer."""
    torch.manual_seed(1)
    model = lora.new_adapter(load_model(settings(tiny_model), tiny_model, "fp32"), adapter())
    for name, parameter in model.named_parameters():
        if lora.factor_of(name):
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_any_part_of_a_stored_weight(tiny_model: Path) -> None:
    model = load_model(settings(tiny_model), tiny_model, "bf16")
    stored = stored_weights(model, tiny_model)
    assert isinstance(stored, StoredWeights)
    for name, exact in load_file(tiny_model / "model.safetensors").items():
        flat = exact.reshape(-1)
        for start, stop in ((0, len(flat)), (len(flat) // 3, len(flat) // 2 + 1)):
            pieces = list(stored.pieces(name, start, stop))
            assert [first for first, _ in pieces] == list(range(start, stop, 1000))
            assert torch.cat([piece for _, piece in pieces]).equal(flat[start:stop])


def test_files_that_do_not_say_what_the_module_holds(tiny_model: Path, tmp_path: Path) -> None:
    model = load_model(settings(tiny_model), tiny_model, "bf16")
    assert stored_weights(model, tmp_path) is None  # nothing is there
    model._weight_conversions = ["one"]
    assert stored_weights(model, tiny_model) is None
    model._weight_conversions = []
    model.model.norm.weight = torch.nn.Parameter(torch.ones(3))
    assert stored_weights(model, tiny_model) is None


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_stage_is_merged_as_peft_merges_it(
    precision: str, tiny_model: Path, adapted: Path
) -> None:
    model = settings(tiny_model)
    ours = stages.load_stage(model, adapted, precision)
    theirs = lora.merged(load_model(model, tiny_model, "fp32"), adapted)
    if precision == "bf16":
        theirs.bfloat16()
    base, expected = load_model(model, tiny_model, precision).state_dict(), theirs.state_dict()
    assert ours.state_dict().keys() == expected.keys()
    assert all(value.equal(expected[name]) for name, value in ours.state_dict().items())
    assert any(not value.equal(base[name]) for name, value in ours.state_dict().items())


def test_a_merged_stage_is_the_file_that_transformers_writes(
    tiny_model: Path, adapted: Path, tmp_path: Path
) -> None:
    model = settings(tiny_model)
    theirs = lora.merged(load_model(model, tiny_model, "fp32"), adapted)
    theirs.save_pretrained(tmp_path / "theirs")
    stages.finish_stage(model, adapter(BetweenTasks.merge), tiny_model, 1, adapted)
    assert not (adapted / "adapter_config.json").exists()
    for path in (tmp_path / "theirs").iterdir():
        assert (adapted / path.name).read_bytes() == path.read_bytes(), path.name


def test_what_cannot_be_streamed_is_merged_whole(
    tiny_model: Path, adapted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = settings(tiny_model)
    streamed = stages.load_stage(model, adapted, "fp32").state_dict()
    monkeypatch.setattr(stages, "_adapted", lambda *given: None)
    whole = stages.load_stage(model, adapted, "fp32").state_dict()
    assert all(value.equal(whole[name]) for name, value in streamed.items())


def test_an_adapter_on_a_bf16_model_is_exact(tiny_model: Path, adapted: Path) -> None:
    model = settings(tiny_model)
    started, stored = stages.start_model(model, adapter(), adapted, 2, "bf16")
    assert stored is None
    held = {name: p for name, p in started.named_parameters() if p.requires_grad}
    assert {p.dtype for p in held.values()} == {torch.float32}
    exact = load_file(adapted / "adapter_model.safetensors")
    assert len(exact) == len(held)
    for name, parameter in held.items():
        assert parameter.equal(exact[name.replace(".default", "")])


@pytest.mark.parametrize("limit", [10**9, 60_000])
def test_shards_are_those_of_transformers(
    limit: int, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "SHARD_BYTES", limit)
    model = load_model(settings(tiny_model), tiny_model, "fp32")
    model.save_pretrained(tmp_path / "theirs", max_shard_size=limit)
    named = dict(model.named_parameters())
    specs = saving.saved_specs({name: tuple(p.shape) for name, p in named.items()}, model)
    asked: list[str] = []

    def tensors(name: str) -> torch.Tensor:
        asked.append(name)
        return named[name]

    (tmp_path / "ours").mkdir()
    saving.write_model(model, tmp_path / "ours", specs, tensors)
    assert asked == saving.asked_names(specs)
    files = {path.name for path in (tmp_path / "theirs").iterdir()}
    assert {path.name for path in (tmp_path / "ours").iterdir()} == files
    assert (len(files) > 3) == (limit < 10**9)
    loaded = load_model(settings(tiny_model), tmp_path / "ours", "fp32")
    assert all(p.equal(named[name]) for name, p in loaded.named_parameters())
