"""A mixture of experts of Mixtral's shape: trained at ZeRO 3, edited, scored."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.families import model_folder

from harness.config.compose.compose import load
from harness.run.parent import execute

pytestmark = pytest.mark.distributed


def test_edits_are_of_the_experts_too(
    tiny_model: Path, tiny_run: list[str], tmp_path: Path
) -> None:
    """Stages have the names of the files of the first model, whatever its modules are called."""
    folder = model_folder("mixtral", tiny_model, tmp_path / "experts")
    words = [*tiny_run, f"model.path={folder}", "eval.limit=2", "train.max_steps=2", "engine=zero3"]
    words += ["method=[seqft,wise_ft]", "method.wise_ft.alpha=0.25", "task=[copy]"]
    done = execute(load(words))
    (trained,) = (n.key for n in done.plan.nodes if n.kind == "train")
    (edited,) = (n.key for n in done.plan.nodes if n.kind == "edit")
    places = [folder, tmp_path / "store/train" / trained, tmp_path / "store/edit" / edited]
    base, tuned, mixed = (load_file(place / "model.safetensors") for place in places)
    experts = [name for name in base if ".experts." in name]
    assert len(experts) == 2 * 4 * 3  # blocks, experts, matrices
    assert base.keys() == tuned.keys() == mixed.keys()
    for name, weight in base.items():
        assert not torch.equal(tuned[name], weight), name
        assert torch.allclose(mixed[name], 0.75 * weight + 0.25 * tuned[name], atol=1e-6), name
