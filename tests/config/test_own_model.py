"""A model brings how it is trained: only the embedded one, and what is as small, has its rate."""

import os
from pathlib import Path

import pytest

from harness.config.compose.compose import load
from harness.config.compose.own_model import named_after
from harness.config.places import option_names

EMBEDDED = (4e-4, 16, 512, 0, "fp32", False)
LARGE = (1e-5, 32, 4096, 2, "bf16", True)


def training(*overrides: str) -> tuple[object, ...]:
    config = load(list(overrides))
    train, engine = config.train, config.engine
    how = engine.zero_stage, engine.precision.value, engine.gradient_checkpointing
    return (train.learning_rate, train.batch_size, train.pack_tokens, *how)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A folder whose weights take more than 100 MB, most of it a hole."""
    folder = tmp_path / "my-llama"
    folder.mkdir()
    with (folder / "model.safetensors").open("wb") as file:
        os.truncate(file.fileno(), 10**9)
    return folder


def test_the_embedded_model_keeps_its_own() -> None:
    assert training() == training("model=micro") == EMBEDDED


@pytest.mark.parametrize("name", sorted({*option_names("model", [])} - {"micro", "own_small"}))
def test_every_other_preset_is_trained_like_a_large_model(name: str) -> None:
    assert training(f"model={name}", "model.path=org/name") == LARGE


def test_what_is_said_on_the_command_line_wins() -> None:
    assert training("model=qwen3-8b", "train=default") == (4e-4, 16, 512, 0, "fp32", False)
    assert training("model=qwen3-8b", "engine=zero1")[3:] == (1, "bf16", True)
    assert training("model=qwen3-8b", "train.learning_rate=3e-5", "engine.precision=fp32") == (
        *(3e-5, 32, 4096, 2, "fp32", True),
    )


def test_an_experiment_wins_over_the_model() -> None:
    found = training("experiment=trace500_small_gpu", "data.root=x")
    assert found == (1e-5, 32, 4096, 1, "bf16", True)


def test_a_path_alone_is_named_after_its_end(large: Path, tiny_model: Path) -> None:
    assert training(f"model.path={large}") == LARGE
    assert training("model.path=org/gpt") == LARGE
    assert training(f"model.path={tiny_model}") == EMBEDDED
    named = {path: load([f"model.path={path}"]).model.name for path in (large, tiny_model)}
    assert named == {large: "my-llama", tiny_model: tiny_model.name}
    assert load(["model.path=org/gpt"]).model.name == "gpt"
    assert load(["model.path=org/gpt", "model.name=mine"]).model.name == "mine"
    assert load(["model=micro", "model.path=org/gpt"]).model.name == "gpt"


def test_a_preset_with_another_place_keeps_its_name(large: Path) -> None:
    model = load(["model=llama2-7b-chat", f"model.path={large}"]).model
    assert (model.name, model.path) == ("llama2-7b-chat", str(large))
    given = ["experiment=trace/table3", "data.root=x", f"model.path={large}"]
    assert load(given).model.name == "llama2-7b-chat"


def test_a_preset_with_another_hub_id_has_the_ids_name() -> None:
    """The base model of a chat model is called what it is."""
    base = ["model=llama2-7b-chat", "model.path=meta-llama/Llama-2-7b-hf"]
    assert load(base).model.name == "Llama-2-7b-hf"
    assert load([*base, "model.name=base"]).model.name == "base"
    same = ["model=llama2-7b-chat", "model.path=meta-llama/Llama-2-7b-chat-hf"]
    assert load(same).model.name == "llama2-7b-chat"


def test_a_folder_of_the_hubs_cache_has_the_name_of_its_model() -> None:
    assert named_after("/c/hub/models--org--gpt-2/snapshots/0123abcd") == "gpt-2"
    assert named_after("models/mine/") == "mine"
