"""Weights are read as safetensors alone: a pickle runs what is in it."""

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
from support.command import refused

from harness.config import ModelConfig
from harness.errors import ConfigError, DataError, StageFailed
from harness.models.adapters.lora import load_adapter
from harness.models.folders import require_safetensors
from harness.models.loading import load_judge, load_model
from harness.models.weights.reading import Checkpoint


class Mark:
    """Unpickled, it makes a folder."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.place),)


@pytest.fixture
def hostile(tiny_model: Path, tmp_path: Path):
    """A model whose weights are a pickle that makes a folder; no test may leave that folder."""
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Mark(tmp_path / "ran")))
    yield folder
    assert not (tmp_path / "ran").exists()
    pickle.loads((folder / "pytorch_model.bin").read_bytes())  # it would have
    assert (tmp_path / "ran").is_dir()


def model_of(folder: Path) -> ModelConfig:
    return ModelConfig(name="m", path=str(folder))


def test_it_is_refused_in_one_line_before_anything_loads(
    hostile: Path, tiny_run: list[str], tmp_path: Path
) -> None:
    run = [word for word in tiny_run if not word.startswith("model.path=")]
    told = refused(*run, f"model.path={hostile}")
    assert told.startswith(f"error: model.path: {hostile} has its weights as pickles (pytorch_mod")
    assert not (tmp_path / "store").exists()


def test_what_loads_a_model_does_not_take_it(hostile: Path) -> None:
    with pytest.raises(OSError, match="safetensors"):
        load_model(model_of(hostile), hostile, "fp32")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_judge(str(hostile), None, "judge.model")
    with pytest.raises(DataError, match="is a pickle, which is not read"):
        Checkpoint(hostile)


def test_beside_safetensors_it_is_passed_over(hostile: Path, tiny_model: Path) -> None:
    shutil.copy(tiny_model / "model.safetensors", hostile)
    assert load_model(model_of(hostile), hostile, "fp32").num_parameters() > 0


def test_nor_is_an_adapter(hostile: Path, tiny_model: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    shutil.copy(hostile / "pytorch_model.bin", adapter / "adapter_model.bin")
    about = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 2, "target_modules": ["q_proj"]}
    (adapter / "adapter_config.json").write_text(json.dumps(about))
    base = load_model(model_of(tiny_model), tiny_model, "fp32")
    with pytest.raises(StageFailed, match=r"has no adapter_model\.safetensors"):
        load_adapter(base, adapter, trainable=False)


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "pytorch_model.bin"])
def test_an_index_names_safetensors_files_beside_it(
    name: str, tiny_model: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    os.replace(folder / "model.safetensors", tmp_path / "model.safetensors")
    index = {"weight_map": {"lm_head.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=f"'{name}' is no safetensors file beside it"):
        Checkpoint(folder)


@pytest.mark.parametrize(
    ("names", "fits"),
    [
        (["pytorch_model-1.bin", "config.json"], False),
        (["consolidated.00.pth"], False),
        (["model.safetensors", "pytorch_model.bin"], True),
        (["config.json"], True),
    ],
)
def test_what_the_hub_lists(names: list[str], fits: bool) -> None:
    if fits:
        require_safetensors(names, "x")
    else:
        with pytest.raises(ConfigError, match="x has its weights as pickles"):
            require_safetensors(names, "x")
