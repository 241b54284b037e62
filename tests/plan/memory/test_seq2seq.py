"""Sizes of encoder-decoders against models of transformers, and what their batches keep."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM

from harness.config import AdapterConfig, ModelConfig, ModelKind
from harness.models.adapters.lora import new_adapter
from harness.models.family import SEQ2SEQ
from harness.plan.memory.model import adapter_weights, shapes_of
from harness.plan.memory.seq2seq import EncoderDecoder


def sizes(folder: Path) -> EncoderDecoder:
    found = shapes_of(ModelConfig(name="t5", path=str(folder), kind=ModelKind.seq2seq))
    assert isinstance(found, EncoderDecoder)
    return found


@pytest.mark.parametrize("name", ["tiny_t5", "tiny_flan"])
def test_matrices_are_the_models(name: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(name)
    with torch.device("meta"):
        model = AutoModelForSeq2SeqLM.from_config(AutoConfig.from_pretrained(folder))
    matrices = {
        name: p.numel()
        for name, p in model.named_parameters()
        if p.dim() == 2 and "relative_attention_bias" not in name
    }
    # transformers ties the head of a model that it makes; the file of T5 1.1 has its own.
    own = 0 if name == "tiny_t5" else matrices["shared.weight"]
    found = sizes(folder)
    assert (found.layers, found.decoder, found.gated) == (5, 3, name == "tiny_flan")
    weights = sum(matrices.values())
    assert found.weights() + (own if found.tied else 0) == weights + own


@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["q", "wo"], ["all-linear"]])
def test_an_adapter_has_the_weights_that_peft_makes(tiny_flan: Path, targets: list[str]) -> None:
    adapter = AdapterConfig(rank=4, targets=targets, dropout=0.0)
    model = AutoModelForSeq2SeqLM.from_pretrained(tiny_flan)
    adapted = new_adapter(model, adapter, SEQ2SEQ)
    made = sum(p.numel() for name, p in adapted.named_parameters() if "lora_" in name)
    assert adapter_weights(adapter, sizes(tiny_flan), 1e6, SEQ2SEQ) == made


def test_activations_are_those_that_autograd_keeps(tiny_flan: Path) -> None:
    """Nearly what torch saves for the backward pass, weights aside."""
    model = AutoModelForSeq2SeqLM.from_pretrained(tiny_flan, attn_implementation="sdpa")
    weights = {p.data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        held.append(tensor)
        return tensor

    rows, prompt, answer = 3, 200, 20
    held: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        states = model(
            input_ids=torch.randint(2, 900, (rows, prompt)),
            attention_mask=torch.ones(rows, prompt, dtype=torch.long),
            decoder_input_ids=torch.randint(2, 900, (rows, answer)),
            use_cache=False,
        ).logits
    logits = states.untyped_storage().nbytes()
    measured = sum(kept.values()) - logits
    told = sizes(tiny_flan).activations(4, rows * prompt, rows * answer, prompt)
    print(f"kept {measured / 1e6:.1f} MB, told {told / 1e6:.1f} MB")
    assert 0.8 < told / measured < 1.4
