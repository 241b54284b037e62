"""What a family of models does not have is refused in one line, before a model loads."""

import json
import shutil
from pathlib import Path

import pytest

from harness.config import HarnessConfig, ModelKind
from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.methods import Needs, Outputs
from harness.methods.l2 import L2
from harness.plan.checks.run import mistakes


@pytest.fixture
def t5(tiny_t5: Path, tiny_data: Path, tiny_conf: list[str]) -> list[str]:
    return [*tiny_conf, f"model.path={tiny_t5}", f"data.root={tiny_data}"]


def lines(overrides: list[str], *more: str) -> list[str]:
    return mistakes(load([*overrides, *more]))


def test_the_family_is_found_in_the_folder(t5: list[str], tiny_model: Path) -> None:
    assert load(t5).model.kind is ModelKind.seq2seq
    assert load([f"model.path={tiny_model}"]).model.kind is ModelKind.causal
    assert load([]).model.kind is ModelKind.causal
    assert lines(t5) == []


def test_the_family_of_a_cached_model_is_found(
    tiny_t5: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    place = tmp_path / "models--org--t5"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("abc")
    (place / "snapshots" / "abc").mkdir(parents=True)
    shutil.copy(tiny_t5 / "config.json", place / "snapshots" / "abc")
    assert load(["model.path=org/t5"]).model.kind is ModelKind.seq2seq
    assert load(["model.path=org/t5", "model.kind=causal"]).model.kind is ModelKind.causal
    for other in ("org/other", "no such/../name", "org/t5/more"):
        assert load([f"model.path='{other}'"]).model.kind is ModelKind.causal


def test_a_family_that_is_not_the_models_is_refused(t5: list[str]) -> None:
    [told] = lines(t5, "model.kind=causal")
    assert told == "model.path: t5 is an encoder-decoder; use model.kind=seq2seq"
    [told] = mistakes(load(["sequence=micro2", "model.kind=seq2seq"]))
    assert told == "model.path: llama is no encoder-decoder; use model.kind=causal"
    with pytest.raises(ConfigError, match=r"model\.kind"):
        load(["model.kind=masked"])


def test_encoder_decoders_of_other_kinds_are_refused(
    t5: list[str], tiny_t5: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bart"
    shutil.copytree(tiny_t5, folder)
    told = json.loads((folder / "config.json").read_text()) | {"model_type": "bart"}
    (folder / "config.json").write_text(json.dumps(told))
    places = [f"model.path={folder}" if "model.path" in one else one for one in t5]
    [line] = lines(places)
    assert "bart" in line
    assert "t5, mt5, umt5" in line


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("eval.backend=paged", "eval.backend=paged answers model.kind=causal alone; use hf"),
        ("model.attention=flex_attention", "model.attention=flex_attention: it does not take"),
        ("model.chat_template=true", "model.chat_template=true"),
        ("model.quantization=nf4", "model.quantization=nf4 is for model.kind=causal; use none"),
    ],
)
def test_settings_of_causal_models_are_refused(t5: list[str], override: str, told: str) -> None:
    assert any(line.startswith(told) for line in lines(t5, override))


@pytest.mark.parametrize(
    "own",
    [Needs(defined_for=(ModelKind.causal,)), Needs(outputs=Outputs(hidden_states=(-1,)))],
    ids=["said", "reads_hidden_states"],
)
def test_a_method_is_refused_with_the_families_that_it_has(
    t5: list[str], monkeypatch: pytest.MonkeyPatch, own: Needs
) -> None:
    def needs(self: L2) -> Needs:
        return own

    monkeypatch.setattr(L2, "needs", needs)
    expected = "method.l2 is not defined for model.kind=seq2seq; use a model of kind causal"
    assert lines(t5, "method=l2") == [expected]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["method=inf_lora"], "method.inf_lora is not defined for model.kind=seq2seq"),
        (["method=osft", "method.osft.adaptive=true"], "method.osft is not defined for"),
        (["method=fisher"], "method.fisher learns from rows, which is not defined for"),
    ],
)
def test_what_reads_a_causal_models_rows_is_refused(
    t5: list[str], words: list[str], told: str
) -> None:
    [line] = lines(t5, *words)
    assert line.startswith(told)


def test_positions_bound_nothing(t5: list[str]) -> None:
    """T5's are relative; a causal model of so few would be refused."""
    assert lines(t5, "task.copy.max_prompt_tokens=100000") == []


def test_blocks_of_both_sides_count(t5: list[str]) -> None:
    """Two of the encoder and three of the decoder."""
    assert lines(t5, "method=freeze", "method.freeze.layers=4") == []
    [told] = lines(t5, "method=freeze", "method.freeze.layers=5")
    assert "the model has 5; leave some" in told


def test_an_adapter_means_the_familys_layers(t5: list[str]) -> None:
    assert lines(t5, "method=lora_seqft") == []
    assert lines(t5, "method=lora_seqft", "method.adapter.targets=[q,wo]") == []
    [told] = lines(t5, "method=lora_seqft", "method.adapter.targets=[gate_proj]")
    assert "has no layer 'gate_proj'" in told


def test_every_preset_of_the_group_says_its_family() -> None:
    def config(name: str) -> HarnessConfig:
        return load([f"model={name}"])

    assert config("flan-t5-base").model.kind is ModelKind.seq2seq
    assert config("qwen3-0.6b").model.kind is ModelKind.causal
