"""Two strategies as a user would write them, one file each: in runs of the command line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.command import harness
from transformers import AutoModelForCausalLM, AutoTokenizer

EXAMPLES = Path(__file__).parent / "examples"
QUICK = ("train.max_steps=4", "eval.limit=1", "eval.stage0=false", "eval.past=ends")
pytestmark = pytest.mark.distributed


def stages(root: Path, run: list[str], *more: str) -> list[Path]:
    """The folders of the run's two train nodes, in order."""
    words = [*run, *QUICK, f"store.root={root}", "code.allow=[hidden_distance,latest_rows]"]
    done = harness(*words, *more, cwd=EXAMPLES)
    assert done.returncode == 0, done.stderr
    written = [path.parent for path in root.glob("train/*/training.json")]
    tasks = {json.loads((path / "training.json").read_text())["task"]: path for path in written}
    return [tasks["copy"], tasks["count"]]


def weights(folder: Path) -> dict:
    return load_file(folder / "model.safetensors")


def same(left: Path, right: Path) -> bool:
    first, second = weights(left), weights(right)
    return all(bool((first[name] == second[name]).all()) for name in first)


def states(folder: Path, data: Path) -> torch.Tensor:
    """Hidden states behind block 1 at the last token of the second task's training prompts."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    found = []
    for row in json.loads((data / "count" / "train.json").read_text()):
        ids = torch.tensor([tokenizer(row["prompt"])["input_ids"]])
        with torch.no_grad():
            found.append(model(ids, output_hidden_states=True).hidden_states[1][0, -1])
    return torch.stack(found)


@pytest.fixture(scope="module")
def plain(
    tiny_model: Path, tiny_data: Path, tiny_conf: list[str], tmp_path_factory
) -> tuple[list[str], list[Path]]:
    """A run's overrides, and the two stages of sequential fine-tuning."""
    place = tmp_path_factory.mktemp("plain")
    run = [*tiny_conf, f"model.path={tiny_model}", f"data.root={tiny_data}"]
    run.append(f"store.results={place / 'results'}")
    return run, stages(place / "store", run)


def test_hidden_distance(
    plain: tuple[list[str], list[Path]], tiny_data: Path, tmp_path: Path
) -> None:
    """In the second task hidden states stay nearer to where they began."""
    run, (first, second) = plain
    chosen = "+method.near={_target_: hidden_distance.HiddenDistance, strength: 1000, layer: 1}"
    ours = stages(tmp_path, run, chosen)
    assert same(ours[0], first)
    before = states(first, tiny_data)
    moved = [
        float((states(after, tiny_data) - before).pow(2).mean()) for after in (ours[1], second)
    ]
    assert moved[0] < 0.5 * moved[1]


def test_latest_rows(plain: tuple[list[str], list[Path]], tmp_path: Path) -> None:
    """The second task trains on with the first one's last rows beside its own."""
    run, (first, second) = plain
    ours = stages(tmp_path, run, "+method.latest={_target_: latest_rows.LatestRows, rows: 5}")
    assert same(ours[0], first)
    assert not same(ours[1], second)
    kept = [json.loads((folder / "strategies.json").read_text())[0]["rows"] for folder in ours]
    assert kept == [[[task, i] for i in range(28, 33)] for task in ("copy", "count")]
    log = json.loads((ours[1] / "training.json").read_text())
    assert log["cost"]["stored_examples"] == 5


@pytest.mark.parametrize("name", ["hidden_distance", "latest_rows"])
def test_they_are_short(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= 60
