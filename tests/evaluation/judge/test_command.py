"""`harness judge` on its own: wrong words are one line before any work, a local model judges."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from support.command import in_a_process, only_error, refused

from harness.cli.judge import main


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two files of answers, the second of three being equal, and a cache of their own."""
    for name, answers in (("candidate", ["a b", "c", "d e f"]), ("baseline", ["a", "c", "d"])):
        content = {"prompts": ["One?", "Two?", "Three?"], "results": answers}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    given = [f"--{name}={tmp_path / name}.json" for name in ("candidate", "baseline")]
    return [*given, f"--cache={tmp_path / 'judge.sqlite'}"]


def test_a_local_model_judges_on_the_device_that_is_named(
    files: list[str], tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--device=cpu", "--max-tokens=4", "--malformed-retries=0"]
    assert main([*files, f"--model={tiny_model}", *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["pairs"], told["requests_sent"]) == (3, 4)
    assert (told["malformed"], told["identical"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert told["tie"] == 1.0  # the pair of equal answers is all that counts
    assert told["completion_tokens"] > 0
    assert told["price"] is None


def test_a_cache_that_is_none(files: list[str], tiny_model: Path, tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other.sqlite"
    text.write_text("this is no database, but a text that is longer than a header of one")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE replies (name TEXT)")
    for path, reason in (
        (text, "file is not a database"),
        (other, "no such column: text"),
        (tmp_path, "Is a directory"),
        (text / "x.sqlite", "its folder cannot be made"),
    ):
        line = refused("judge", *files, f"--model={tiny_model}", f"--cache={path}")
        assert line.startswith(f"error: --cache: {path} cannot hold the judge's replies ({reason}")
    assert text.read_text().startswith("this is no database")


def test_a_model_that_is_not_there(
    files: list[str], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # The hub's libraries read their variables once, so this has its own process.
    line = only_error(in_a_process("judge", *files, "--model=nobody/nothing"))
    assert "--model: nobody/nothing is not in the cache" in line
    assert "python -m harness prefetch judge=local judge.model=nobody/nothing suite=[]" in line
    assert "--model: there is no folder nothing" in refused("judge", *files, "--model=nothing")
    bare = Path(shutil.copytree(tiny_model, tmp_path / "bare"))
    (bare / "model.safetensors").unlink()
    line = refused("judge", *files, f"--model={bare}", "--device=cpu")
    assert f"--model: {bare} cannot be loaded" in line
    (bare / "config.json").write_text('{"model_type": "t5", "is_encoder_decoder": true}')
    assert "--model: t5 is an encoder-decoder" in refused("judge", *files, f"--model={bare}")
    (bare / "config.json").unlink()
    assert f"--model: {bare} has no config.json" in refused("judge", *files, f"--model={bare}")


def test_a_gpu_that_is_not_there(
    files: list[str], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    line = refused("judge", *files, f"--model={tiny_model}", "--device=cuda")
    assert line == "error: --device=cuda, but there is no GPU here; use --device=cpu"
    assert "invalid choice: 'gpu'" in refused("judge", *files, "--device=gpu")
