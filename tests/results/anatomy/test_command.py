"""`harness anatomy`, on fabricated stores: what it writes, what it says of what is not there."""

import json
from pathlib import Path

import pytest
import torch
from bench.fabricated import Fabricated, Kind
from safetensors.torch import save_file
from support.command import harness, refused

from harness.store.files import file_sha256

TASKS = (Kind("letters", 40, 1), Kind("words", 90, 60))


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    return Fabricated(tmp_path, runs=2, items=4, tasks=TASKS)


def places(made: Fabricated) -> list[str]:
    out = str(made.store.parent / "out")
    return ["--store", str(made.store), "--scores", str(made.scores), "--out", out]


def model(place: Path, value: float) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    weight = torch.zeros(3, 2)
    weight[0, 0] = value
    save_file({"model.layers.0.up.weight": weight}, place / "model.safetensors")
    (place / "config.json").write_text(json.dumps({"model_type": "toy", "num_hidden_layers": 1}))
    return place


@pytest.fixture
def weighed(made: Fabricated) -> Fabricated:
    """Weights for the first run: 1 at first, 3 after the first task, 2 after the second."""
    base = model(made.store.parent / "base", 1.0)
    for stage, value in ((1, 3.0), (2, 2.0)):
        folder = model(made.store / "train" / f"train000{stage:02d}".ljust(20, "0"), value)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["config"]["model"] = {"name": "toy", "path": str(base)}
        files = {p.name: file_sha256(p) for p in folder.iterdir() if p.name != "manifest.json"}
        (folder / "manifest.json").write_text(json.dumps(manifest | {"files": files}))
    return made


def test_what_training_changed(weighed: Fabricated) -> None:
    done = harness("anatomy", "weights", "--method", "method_0", *places(weighed))
    assert done.returncode == 0, done.stderr
    assert "|     1 | letters | 0     |       6 |    2 |      200 |            1.0 | 2.0 |" in (
        done.stdout
    )
    assert "|     2 | words   | 0     |       6 |    1 |     33.3 |" in done.stdout
    names = {path.name for path in (weighed.store.parent / "out").iterdir()}
    suffixes = ("md", "csv", "tex", "pdf", "svg", "png")
    assert names == {f"weights_run00000.{suffix}" for suffix in suffixes}


def test_weights_that_are_not_there(weighed: Fabricated) -> None:
    words = ["anatomy", "weights", *places(weighed)]
    folder = weighed.store / "train" / "train00001".ljust(20, "0")
    (folder / "manifest.json").unlink()
    assert "has no two stages in a row whose weights are there" in refused(
        *words, "--method", "method_0"
    )
    assert not (weighed.store.parent / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("items",), "several runs are meant; choose one by --method, --seed or --run"),
        (("weights", "--method", "nobody"), "--method nobody: the store has no run of it"),
        (("relearning",), "no run whose last task was trained before"),
        (("line",), "no line between two stages was scored"),
        (("wieghts",), "invalid choice: 'wieghts'"),
    ],
)
def test_what_is_not_there_is_one_line(words: tuple[str, ...], told: str, made: Fabricated) -> None:
    assert told in refused("anatomy", *words, *places(made))
