"""`harness edit` and `scripts/edit.py`: what they print, and one line for every mistake."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support.command import environment, harness, refused, script

from harness.cli.edit import main
from harness.errors import HarnessError

Read = Callable[[Path], dict[str, torch.Tensor]]


def told(*words: object) -> str:
    """The message of the error that a command line raises; exit code and form are tested once."""
    with pytest.raises(HarnessError) as caught:
        main([str(word) for word in words])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_script_is_the_verb(
    tiny_model: Path, tuned: list[Path], weights: Read, tmp_path: Path
) -> None:
    words = ["lines", "--base", str(tiny_model), "--tuned", str(tuned[0])]
    words += ["--alpha", "0.3", "--beta", "0.7", "--out"]
    verb = harness("edit", *words, str(tmp_path / "verb"))
    assert verb.returncode == 0, verb.stderr
    alike = script("edit.py", *words, str(tmp_path / "script"))
    assert alike.returncode == 0, alike.stderr
    first, second = weights(tmp_path / "verb"), weights(tmp_path / "script")
    base, moved = weights(tiny_model), weights(tuned[0])
    for name, value in base.items():
        scale = 1.0 if ".layers.1." in name else 0.3
        expected = value + scale * (moved[name] - value)
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name], expected, rtol=0, atol=1e-6)
    assert "LiNeS: alpha 0.3, beta 0.7, schedule linear" in verb.stdout
    assert "blocks: path model.layers, coefficients 0.3 1" in verb.stdout
    assert "model.embed_tokens.weight 0.3" in verb.stdout
    assert f"{len(base)} tensors" in verb.stdout


@pytest.mark.parametrize(
    ("words", "tuned_models"),
    [
        (["wise_ft", "--alpha", "0.5"], 1),
        (["task_arithmetic", "--scale", "0.4"], 2),
        (["task_arithmetic", "--scale", "-0.4", "--normalise", "mean"], 2),
        (["ties", "--density", "0.2", "--scale", "1.0"], 2),
        (["ties", "--trim", "global"], 3),
        (["consensus", "--lam", "0.4"], 3),
        (["consensus", "--merge-with", "ties,density=0.5,combine=sum"], 2),
        (["soup"], 3),
        (["soup", "--weights", "0.25", "0.75"], 2),
        (["lines", "--beta", "0.4", "--merge_with", "task_arithmetic"], 2),
        (["lines", "--beta", "0.4", "--merge-with", "ties,density=0.5,trim=global"], 3),
        (["harness.methods.edits.wise_ft.WiSEFT", "--alpha", "0.5"], 1),
    ],
)
def test_every_edit_runs(
    tiny_model: Path,
    tuned: list[Path],
    tmp_path: Path,
    weights: Read,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    tuned_models: int,
) -> None:
    models = [str(folder) for folder in tuned[:tuned_models]]
    out = tmp_path / "out"
    frame = ["--base", str(tiny_model), "--tuned", *models, "--out", str(out)]
    assert main([*words, *frame]) == 0
    assert capsys.readouterr().out.strip().endswith(str(out))
    base, found = weights(tiny_model), weights(out)
    assert found.keys() == base.keys()
    assert all(not torch.equal(found[name], value) for name, value in base.items())


def test_the_help_lists_edits_and_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    shown = harness("edit", "--help").stdout
    names = ("wise_ft", "lines", "task_arithmetic", "ties", "consensus", "soup", "greedy_soup")
    assert all(f"\n  {name} " in shown for name in names)
    with pytest.raises(SystemExit):
        main(["ties", "--help"])
    assert "--density" in capsys.readouterr().out


def test_help_and_parameters_need_no_torch() -> None:
    code = (
        "import sys; from harness.cli.edit import main; main(['--help']);"
        "from harness.methods.edits.loading import load_edit;"
        "load_edit({'_target_': 'lines', 'alpha': 0.5});"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), capture_output=True)


@pytest.fixture
def frame(tiny_model: Path, tuned: list[Path], tmp_path: Path) -> list[str]:
    return ["--base", str(tiny_model), "--tuned", str(tuned[0]), "--out", str(tmp_path / "out")]


def test_a_greedy_soup_needs_a_score(frame: list[str], tuned: list[Path]) -> None:
    both = [*frame[:3], *map(str, tuned[:2]), *frame[4:]]
    assert refused("edit", "greedy_soup", *both).startswith("error: edit.score: missing; give the")


def test_a_mistake_is_one_line(frame: list[str]) -> None:
    line = refused("edit", "wise_ft", *frame, "--alpha", "1.5")
    assert line == "error: --alpha=1.5: it must be in [0, 1]"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["wiseft"], "edit: there is no edit 'wiseft'; did you mean 'wise_ft'?"),
        (["base"], "edit: there is no edit 'base'"),
        (["json.JSONDecoder"], "json.JSONDecoder is not a subclass of Edit"),
        (["wise_ft", "--gamma", "1"], "unrecognized arguments: --gamma 1"),
        (["wise_ft", "--alpha", "much"], "--alpha: "),
        (["wise_ft", "--dtype", "fp8"], "argument --dtype: invalid choice"),
        (["wise_ft", "--shard-gb", "0"], "0: it must be a number of gigabytes above 0"),
        (["lines"], "--alpha: missing"),
        (["lines", "--merge-with", "ties"], "--beta: missing"),
        (["lines", "--merge-with", "tied", "--beta", "1"], "did you mean 'ties'?"),
        (["lines", "--merge-with", "ties,density"], "'density' is not of the form"),
        (["lines", "--merge-with", "soup", "--beta", "1"], "is not a subclass of TaskVectorEdit"),
        (["consensus"], "agree=2: there are 1 tuned models only"),
        (["ties", "--density", "0"], "--density=0.0: it must be in (0, 1]"),
        (["soup", "--weights", "0.5"], "--weights=[0.5]: they sum to 0.5, not to 1"),
    ],
)
def test_wrong_command_lines(frame: list[str], words: list[str], expected: str) -> None:
    assert expected in told(*words, *frame)


def test_wrong_folders(tiny_model: Path, tuned: list[Path], tmp_path: Path) -> None:
    out = ["--out", tmp_path / "out"]
    nowhere = tmp_path / "nowhere"
    line = told("wise_ft", "--base", nowhere, "--tuned", tuned[0], *out)
    assert f"{nowhere}: there is no such folder" in line
    line = told("wise_ft", "--base", tiny_model, "--tuned", nowhere, *out)
    assert f"{nowhere}: there is no such folder" in line
    assert "required: --tuned" in told("wise_ft", "--base", tiny_model, *out)

    pickled = tmp_path / "pickled"
    pickled.mkdir()
    shutil.copy(tiny_model / "config.json", pickled)
    (pickled / "pytorch_model.bin").write_bytes(b"")
    line = told("wise_ft", "--base", tiny_model, "--tuned", pickled, *out)
    assert "pytorch_model.bin is a pickle, which is not read" in line
    (pickled / "model.safetensors").write_bytes(b"no header")
    line = told("wise_ft", "--base", tiny_model, "--tuned", pickled, *out)
    assert "is not a safetensors file" in line
    (pickled / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (pickled / "model.safetensors.index.json").write_text(json.dumps(index))
    line = told("wise_ft", "--base", tiny_model, "--tuned", pickled, *out)
    assert "model-00001-of-00002.safetensors, which" in line
    (pickled / "config.json").unlink()
    line = told("wise_ft", "--base", tiny_model, "--tuned", pickled, *out)
    assert f"{pickled}: holds no config.json" in line
    assert not (tmp_path / "out").exists()


def test_models_that_do_not_correspond(
    tiny_model: Path, tuned: list[Path], weights: Read, tmp_path: Path
) -> None:
    def other(name: str, change: Callable[[dict], None]) -> Path:
        shutil.copytree(tuned[0], tmp_path / name)
        stored = weights(tuned[0])
        change(stored)
        save_file(stored, tmp_path / name / "model.safetensors", metadata={"format": "pt"})
        return tmp_path / name

    def compare(folder: Path) -> str:
        frame = ["--base", tiny_model, "--tuned", folder, "--out", tmp_path / "out"]
        return told("wise_ft", *frame)

    smaller = other("smaller", lambda stored: stored.pop("model.norm.weight"))
    assert "has no model.norm.weight, which" in compare(smaller)
    larger = other("larger", lambda stored: stored.update(extra=torch.zeros(1)))
    assert "has extra, which" in compare(larger)
    wider = other("wider", lambda stored: stored.update({"model.norm.weight": torch.zeros(65)}))
    assert "model.norm.weight has shape (65,), in " in compare(wider)
    broken = other("broken", lambda stored: stored["model.norm.weight"].fill_(math.nan))
    assert f"{broken}: model.norm.weight holds values that are not finite" in compare(broken)
    assert not (tmp_path / "out").exists()
    config = json.loads((larger / "config.json").read_text())
    (larger / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 9}))
    assert "config.json has num_hidden_layers=9, in" in compare(larger)
    (larger / "config.json").write_text(json.dumps(config | {"quantization_config": {"bits": 4}}))
    assert "its weights are quantised" in compare(larger)


def test_output_folders(tiny_model: Path, tuned: list[Path], tmp_path: Path, weights: Read) -> None:
    models = ["--base", tiny_model, "--tuned", tuned[0]]
    full = tmp_path / "full"
    full.mkdir()
    (full / "note.txt").write_text("mine")
    assert "is not empty; choose another folder or add --overwrite" in told(
        "wise_ft", *models, "--out", full
    )
    assert (full / "note.txt").read_text() == "mine"
    copy = tmp_path / "models" / "copy"
    shutil.copytree(tuned[0], copy)
    for place in (copy, tmp_path / "models"):
        words = ["--base", tiny_model, "--tuned", copy, "--out", place, "--overwrite"]
        assert "would replace" in told("wise_ft", *words)
    assert weights(copy)
    file = tmp_path / "file"
    file.write_text("")
    assert "is a file; choose a folder" in told("wise_ft", *models, "--out", file)
    assert "cannot be written" in told("wise_ft", *models, "--out", file / "below")
    words = [str(word) for word in ("wise_ft", *models, "--out", full, "--overwrite")]
    assert "holds no config.json; --overwrite replaces folders of models alone" in told(*words)
    assert (full / "note.txt").read_text() == "mine"
    (full / "config.json").write_text("{}")
    assert main(words) == 0
    assert not (full / "note.txt").exists()
    (tmp_path / "empty").mkdir()
    assert main([str(w) for w in ("wise_ft", *models, "--out", tmp_path / "empty")]) == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"peft_type": "IA3"}, "peft_type is IA3; only LORA adapters are read"),
        ({"lora_alpha": None}, "has lora_alpha=None; a positive number is needed"),
        ({"use_dora": True}, "sets use_dora, which is more than W + scaling * B A"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights=pissa changed the base's weights"),
    ],
)
def test_adapters_that_are_not_plain_lora(
    tiny_model: Path, adapter: Path, tmp_path: Path, change: dict, expected: str
) -> None:
    other = tmp_path / "adapter"
    shutil.copytree(adapter, other)
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps(config | change))
    out = tmp_path / "out"
    assert expected in told("wise_ft", "--base", tiny_model, "--tuned", other, "--out", out)


def test_an_adapter_of_another_base(
    tiny_model: Path,
    tuned: list[Path],
    adapter: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--base", tuned[0], "--tuned", adapter, "--out", tmp_path / "out"]
    assert main(["wise_ft", *map(str, words)]) == 0
    assert f"warning: {adapter}: was trained on {tiny_model}, not on" in capsys.readouterr().out
    words = ["--base", tiny_model, "--tuned", adapter, "--out", tmp_path / "right"]
    assert main(["wise_ft", *map(str, words)]) == 0
    assert "warning" not in capsys.readouterr().out

    stored = tmp_path / "other"
    shutil.copytree(adapter, stored)
    from safetensors.torch import load_file

    factors = load_file(stored / "adapter_model.safetensors")
    renamed = {key.replace("q_proj", "query"): value for key, value in factors.items()}
    save_file(renamed, stored / "adapter_model.safetensors")
    words = ["--base", tiny_model, "--tuned", stored, "--out", tmp_path / "never"]
    assert "adapts model.layers.0.self_attn.query.weight, which" in told("wise_ft", *words)
