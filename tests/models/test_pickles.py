"""A pickle runs what is in it: of weights, one of plain tensors is read, and no other."""

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.command import harness

from harness.config import AdapterConfig, ModelConfig
from harness.errors import ConfigError, DataError, StageFailed
from harness.models.adapters.lora import load_adapter, new_adapter
from harness.models.folders import NOT_PLAIN, require_readable
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


def pickled(source: Path, folder: Path, *, sharded: bool = False) -> Path:
    """The same model with its weights as the pickle of plain tensors."""
    shutil.copytree(source, folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    if not sharded:
        torch.save(weights, folder / "pytorch_model.bin")
        return folder
    where = {}
    for number, name in enumerate(weights):
        where[name] = f"pytorch_model-{number % 2}.bin"
    for file in set(where.values()):
        torch.save({name: weights[name] for name in where if where[name] == file}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": where})
    )
    return folder


@pytest.mark.parametrize("sharded", [False, True])
def test_one_of_plain_tensors_loads(sharded: bool, tiny_model: Path, tmp_path: Path) -> None:
    folder = pickled(tiny_model, tmp_path / "model", sharded=sharded)
    wanted = load_model(model_of(tiny_model), tiny_model, "fp32").state_dict()
    for made in (
        load_model(model_of(folder), folder, "fp32"),
        load_judge(str(folder), None, "j")[0],
    ):
        found = made.state_dict()
        assert set(found) == set(wanted)
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_run_trains_and_is_scored_from_one(
    tiny_model: Path, tiny_run: list[str], tmp_path: Path
) -> None:
    folder = pickled(tiny_model, tmp_path / "model")
    run = [word for word in tiny_run if not word.startswith("model.path=")]
    done = harness(*run, f"model.path={folder}")
    assert done.returncode == 0, done.stderr


def test_a_run_of_what_is_more_than_tensors_ends_in_one_line(
    hostile: Path, tiny_run: list[str]
) -> None:
    run = [word for word in tiny_run if not word.startswith("model.path=")]
    done = harness(*run, f"model.path={hostile}")
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert f"{hostile}: {NOT_PLAIN}" in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("zipped", [False, True])
def test_what_loads_a_model_does_not_take_it(zipped: bool, hostile: Path, tmp_path: Path) -> None:
    if zipped:
        torch.save({"x": Mark(tmp_path / "ran")}, hostile / "pytorch_model.bin")
    with pytest.raises(StageFailed, match="is not plain tensors"):
        load_model(model_of(hostile), hostile, "fp32")
    with pytest.raises(ConfigError, match=r"cannot be loaded: .* is not plain tensors"):
        load_judge(str(hostile), None, "judge.model")
    with pytest.raises(DataError, match="is a pickle, which is not read"):
        Checkpoint(hostile)
    assert not (tmp_path / "ran").exists()
    (hostile / "pytorch_model.bin").write_bytes(pickle.dumps(Mark(tmp_path / "ran")))


def test_beside_safetensors_it_is_passed_over(hostile: Path, tiny_model: Path) -> None:
    shutil.copy(tiny_model / "model.safetensors", hostile)
    assert load_model(model_of(hostile), hostile, "fp32").num_parameters() > 0


def test_an_adapter_as_well(hostile: Path, tiny_model: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    base = load_model(model_of(tiny_model), tiny_model, "fp32")
    made = new_adapter(base, AdapterConfig(rank=2, targets=["q_proj"]))
    made.save_pretrained(adapter)
    weights = load_file(adapter / "adapter_model.safetensors")
    (adapter / "adapter_model.safetensors").unlink()
    torch.save(weights, adapter / "adapter_model.bin")
    base = load_model(model_of(tiny_model), tiny_model, "fp32")
    loaded = load_adapter(base, adapter, trainable=False).state_dict()
    assert [v.shape for n, v in loaded.items() if "lora_A" in n]
    shutil.copy(hostile / "pytorch_model.bin", adapter / "adapter_model.bin")
    base = load_model(model_of(tiny_model), tiny_model, "fp32")
    with pytest.raises(StageFailed, match="is not plain tensors"):
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
        (["pytorch_model-1.bin", "config.json"], True),
        (["adapter_model.bin"], True),
        (["consolidated.00.pth", "params.json"], False),
        (["model.pt"], False),
        (["model.pt", "pytorch_model.bin"], True),
        (["model.safetensors", "consolidated.00.pth"], True),
        (["config.json", "training_args.bin", "optimizer.pt", "scheduler.pkl"], True),
    ],
)
def test_what_the_hub_lists(names: list[str], fits: bool) -> None:
    if fits:
        require_readable(names, "x")
    else:
        with pytest.raises(ConfigError, match=r"x has its weights as .* alone, which is not read"):
            require_readable(names, "x")
