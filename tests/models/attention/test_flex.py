"""flex_attention of a packed row, on a CPU: the forward pass alone runs there."""

import shutil

import pytest
import torch

from harness.data.batches import pack
from harness.run.check.model import examples, random_llama


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="it is compiled")
def test_a_packed_row_is_its_examples_alone() -> None:
    model, found = random_llama(), []
    with torch.no_grad():
        for attention, rows in (("eager", [[one] for one in examples()]), ("flex_attention", 0)):
            model.set_attn_implementation(attention)
            batches = [pack(row) for row in rows or [examples()]]
            found.append(torch.cat([model(**b.inputs).logits[0] for b in batches]))
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=1e-5)
