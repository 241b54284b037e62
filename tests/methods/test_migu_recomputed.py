"""MIGU's hooks run again where activations are recomputed; magnitudes are counted once."""

from types import SimpleNamespace

import torch

from harness.data.batches import pack
from harness.methods.migu import MIGU
from harness.run.check.model import examples, random_llama


def magnitudes(again: bool) -> dict[str, torch.Tensor]:
    """Of one step, behind its backward pass."""
    model = random_llama().train()
    if again:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    calls = []
    first = model.model.layers[0].self_attn.q_proj
    first.register_forward_hook(lambda *given: calls.append(given[0]))
    strategy, stage = MIGU(from_task=1), SimpleNamespace(position=1, batch=None)
    model = strategy.prepare_model(stage, model)
    stage.batch = pack(examples())
    logits = model(**stage.batch.inputs).logits
    stage.batch = None  # as training does behind the forward pass
    logits.sum().backward()
    assert len(calls) == (2 if again else 1)
    return strategy.total


def test_a_layer_is_counted_once() -> None:
    kept, again = magnitudes(False), magnitudes(True)
    assert kept.keys() == again.keys()
    assert len(kept) == 14
    for name in kept:
        torch.testing.assert_close(kept[name], again[name], atol=0, rtol=0)
