"""Two tasks of five steps at ZeRO 3, packed, of a small model of every family: the weights are
those of a plain PyTorch loop over single rows, 2e-5 at most apart."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from launch import cell, launch, note, why_failed
from plain import Reference, Run, Tensors, read
from safetensors.torch import load_file
from support.families import FAMILIES, model_folder
from transformers import AutoModelForCausalLM

from harness.errors import HarnessError

TOLERANCE = 2e-5
TASKS = ("copy", "count")
pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module")
def models(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {name: model_folder(name, tiny_model, root / name) for name in FAMILIES}


@pytest.fixture(scope="module")
def trained(
    models: dict[str, Path],
    tiny_data: Path,
    tiny_conf: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Path]:
    """The folder of a family's last stage; one launch trains all."""
    out, cells = tmp_path_factory.mktemp("trained"), []
    for name, folder in models.items():
        words = [*tiny_conf, f"model.path={folder}", f"data.root={tiny_data}", "method=seqft"]
        words += [f"model.attention={FAMILIES[name].attention}", "train.packing=auto"]
        try:
            cells.append(cell(words, TASKS, 3, out / name))
        except HarnessError as error:
            note(out / name, error)
    launch(1, cells, out)

    def stage(name: str) -> Path:
        if not (out / name / "done").exists():
            pytest.fail(f"{name}: {why_failed(out / name)}")
        return out / name / str(len(TASKS))

    return stage


def weights(folder: Path, attention: str) -> Tensors:
    """As transformers reads them, under the names of its modules."""
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention)
    return dict(model.named_parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_trained_as_one_row_at_a_time(
    name: str, models: dict[str, Path], tiny_data: Path, trained: Callable[[str], Path]
) -> None:
    folder = trained(name)
    assert '"packed": true' in (folder / "training.json").read_text()
    stages = [(task, read(tiny_data, task)) for task in TASKS]
    wanted = Run(models[name], None).train(stages, Reference())[-1]
    found = weights(folder, FAMILIES[name].attention)
    before = weights(models[name], FAMILIES[name].attention)
    assert found.keys() == wanted.keys()
    worst = max(float((found[key] - value).detach().abs().max()) for key, value in wanted.items())
    assert worst < TOLERANCE
    moved = {key for key, value in before.items() if not torch.equal(found[key], value)}
    assert moved == set(wanted)


def test_files_of_a_stage_hold_a_tied_head_once(trained: Callable[[str], Path]) -> None:
    names = set(load_file(trained("qwen3") / "model.safetensors"))
    assert "model.embed_tokens.weight" in names
    assert "lm_head.weight" not in names
