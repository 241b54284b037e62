"""A model without weights is the loaded one in all else."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.places import MICRO_MODEL
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from harness.config import ModelConfig
from harness.errors import StageFailed
from harness.models.adapters.stages import Cut, start_model
from harness.models.loading import load_model
from harness.models.skeleton import load_skeleton

SCALED = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0}
SCALED |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 64}


def other_models(folder: Path) -> dict[str, Path]:
    """Frequencies that are scaled, and learned positions."""
    sizes = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "intermediate_size": 48, "rope_parameters": SCALED}
    LlamaForCausalLM(LlamaConfig(**sizes, **heads)).save_pretrained(folder / "scaled")
    gpt = GPT2Config(vocab_size=50, n_embd=32, n_layer=1, n_head=2, n_positions=16)
    GPT2LMHeadModel(gpt).save_pretrained(folder / "gpt2")
    return {"scaled": folder / "scaled", "gpt2": folder / "gpt2"}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["tiny", "tied", "scaled", "gpt2"])
def test_all_but_the_weights_is_there(
    name: str, precision: str, tiny_model: Path, tmp_path: Path
) -> None:
    folder = {"tiny": tiny_model, "tied": MICRO_MODEL, **other_models(tmp_path)}[name]
    model = ModelConfig(name=name, path=str(folder))
    torch.manual_seed(3)
    whole = load_model(model, folder, precision)
    after = torch.get_rng_state()
    torch.manual_seed(3)
    found = load_skeleton(model, folder, precision, "cpu")
    assert torch.get_rng_state().equal(after)
    assert found is not None
    skeleton, stored = found
    ours, theirs = (dict(one.named_parameters()) for one in (skeleton, whole))
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert ours[key].is_meta
        assert (ours[key].shape, ours[key].dtype) == (value.shape, value.dtype)
        flat = torch.cat([piece for _, piece in stored.pieces(key)])
        assert flat.to(value.dtype).equal(value.detach().flatten())
    ours, theirs = (dict(one.named_buffers()) for one in (skeleton, whole))
    assert list(ours) == list(theirs)
    assert all(ours[key].equal(value) for key, value in theirs.items())
    tied = skeleton.get_output_embeddings().weight is skeleton.get_input_embeddings().weight
    assert tied == (name in ("tied", "gpt2"))


def test_what_has_to_come_whole(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ModelConfig(name="tiny", path=str(tiny_model))
    build = LlamaForCausalLM.__init__

    def with_buffer(self: LlamaForCausalLM, *given: object, **named: object) -> None:
        build(self, *given, **named)
        self.register_buffer("stored", torch.ones(3))

    monkeypatch.setattr(LlamaForCausalLM, "__init__", with_buffer)
    monkeypatch.setattr(LlamaForCausalLM, "_keys_to_ignore_on_load_missing", ["stored"])
    assert load_skeleton(model, tiny_model, "bf16", "cpu") is None


def test_ranks_load_whole_together(tiny_model: Path) -> None:
    """This one has a skeleton, another has none."""
    asked: list[bool] = []

    def disagree(mine: bool) -> bool:
        asked.append(mine)
        return False

    cut = Cut(lambda *given: pytest.fail("nothing is to be cut"), disagree)
    model = ModelConfig(name="tiny", path=str(tiny_model))
    module, _ = start_model(model, None, tiny_model, 1, cut=cut)
    assert asked == [True]
    assert not any(parameter.is_meta for parameter in module.parameters())


def test_a_weight_that_is_missing_is_named(tiny_model: Path, tmp_path: Path) -> None:
    for path in tiny_model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(StageFailed, match=r"lack the weight model\.norm\.weight"):
        load_skeleton(ModelConfig("tiny", str(tmp_path)), tmp_path, "bf16", "cpu")
