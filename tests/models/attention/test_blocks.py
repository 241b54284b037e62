"""Packed rows attended example by example equal the dense mask, and only where it is the same."""

from collections.abc import Iterator

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from harness.data.batches import pack
from harness.data.encoding import Example
from harness.models.attention.blocks import LEAST_TOKENS, attend_by_blocks, blocks

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@pytest.fixture
def dense() -> Iterator[object]:
    """transformers' own function; what was registered before the test is put back."""
    before = ALL_ATTENTION_FUNCTIONS["sdpa"]
    yield getattr(before, "whole", before)
    ALL_ATTENTION_FUNCTIONS.register("sdpa", before)


def block_diagonal(lengths: list[int]) -> torch.Tensor:
    """Causal within each block, written out."""
    return torch.block_diag(*(torch.ones(n, n).tril() for n in lengths)).bool()


def test_blocks_are_read_off_the_mask() -> None:
    assert blocks(block_diagonal([3, 1, 4])) == [3, 1, 4]
    assert blocks(block_diagonal([5])) is None  # one example: nothing to gain
    window = block_diagonal([6, 4])
    window[5, 0] = False  # a window of five tokens
    assert blocks(window) is None
    hole = block_diagonal([6, 4])
    hole[5, 2] = False
    assert blocks(hole) is None
    ahead = block_diagonal([6, 4])
    ahead[3, 4], ahead[3, 1] = True, False  # as many as a causal row has, other ones
    assert blocks(ahead) is None
    leak = block_diagonal([6, 4])
    leak[8] = torch.tensor([True] * 9 + [False])  # one row looks into the block before
    assert blocks(leak) is None


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", ["llama", "window"])
def test_equal_to_the_dense_mask(family: str, checkpointing: bool, dense: object) -> None:
    """Logits and gradients; with a window of fewer tokens than an example has the mask stays."""
    torch.manual_seed(0)
    if family == "llama":
        model = LlamaForCausalLM(LlamaConfig(**SIZES, max_position_embeddings=512))
    else:
        model = MistralForCausalLM(MistralConfig(**SIZES, sliding_window=64))
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    examples = [
        Example([(7 * i + k) % 64 for i in range(n)], [(5 * i + k) % 64 for i in range(9)])
        for k, n in enumerate((300, 40, 200))
    ]
    assert sum(map(len, examples)) >= LEAST_TOKENS
    inputs, found = pack(examples).inputs, []
    ALL_ATTENTION_FUNCTIONS.register("sdpa", dense)
    for by_blocks in (False, True):
        if by_blocks:
            attend_by_blocks()
        model.zero_grad()
        logits = model(**inputs).logits
        logits.log_softmax(-1)[0, :, 3].sum().backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        found.append((logits.detach(), gradient))
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-5, rtol=1e-4)
