"""Packed rows by PyTorch's varlen kernel, which a CPU has not: what it is given, with its result
written out in its place, and what is said of kernels that are wrong."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from support.varlen_reference import varlen_attn
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from harness.data.batches import pack, pad
from harness.data.encoding import Example
from harness.models.attention import varlen
from harness.models.attention.kernel import kernel_fault

HEADS = SimpleNamespace(num_attention_heads=4, num_key_value_heads=2, hidden_size=32)
EXAMPLES = [
    Example([(7 * i + k) % 64 for i in range(n)], [(5 * i + k) % 64 for i in range(3)])
    for k, n in enumerate((9, 1, 20))
]


@pytest.fixture(autouse=True)
def offered() -> Iterator[None]:
    varlen.offer(varlen_attn)
    yield
    ALL_ATTENTION_FUNCTIONS._global_mapping.pop(varlen.NAME)
    ALL_MASK_ATTENTION_FUNCTIONS._global_mapping.pop(varlen.NAME)


def model(attention: str) -> LlamaForCausalLM:
    torch.manual_seed(0)
    made = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
    )
    made.set_attn_implementation(attention)
    return made.train()


def measured(made: LlamaForCausalLM, batches: list) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits at the answers, and the gradient of something of them."""
    found = []
    for batch in batches:
        logits = made(**batch.inputs).logits[batch.answer_rows, batch.answer_columns]
        logits.log_softmax(-1)[:, 3].sum().backward()
        found.append(logits.detach())
    return torch.cat(found), torch.cat([p.grad.flatten() for p in made.parameters()])


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_packed_row_is_its_examples_alone(checkpointing: bool) -> None:
    packed = model(varlen.NAME)
    if checkpointing:
        packed.gradient_checkpointing_enable({"use_reentrant": False})
    mine = measured(packed, [pack(EXAMPLES)])
    true = measured(model("eager"), [pack([one]) for one in EXAMPLES])
    for a, b in zip(mine, true, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_rows_after_rows_have_borders_of_their_own() -> None:
    packed, alone = model(varlen.NAME), model("eager")
    for part in (EXAMPLES, EXAMPLES[::-1], EXAMPLES[:1]):
        mine = measured(packed, [pack(part)])[0]
        torch.testing.assert_close(mine, measured(alone, [pack([one]) for one in part])[0])


def test_padded_rows_and_what_it_has_not_are_refused() -> None:
    with pytest.raises(ValueError, match="packed rows only"):
        model(varlen.NAME)(**pad(EXAMPLES, 0).inputs)
    attend = ALL_ATTENTION_FUNCTIONS[varlen.NAME]
    row = torch.zeros(1, 4, 5, 8)
    ids = torch.arange(5)[None]
    for options in ({"dropout": 0.1}, {"sliding_window": 4}, {"softcap": 30.0}):
        with pytest.raises(ValueError, match="has no"):
            attend(None, row, row, row, None, position_ids=ids, **options)
    with pytest.raises(ValueError, match="is causal"):
        attend(None, row, row, row, None, position_ids=ids, is_causal=False)
    both_ways = SimpleNamespace(is_causal=False)
    with pytest.raises(ValueError, match="is causal"):
        attend(both_ways, row, row, row, None, position_ids=ids)
    with pytest.raises(ValueError, match="its position ids"):
        attend(None, row, row, row, None)


def test_a_models_files_do_not_tell_of_it() -> None:
    assert varlen.NAME not in model(varlen.NAME).config.to_json_string(use_diff=False)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_kernel_that_works(dtype: str) -> None:
    before = torch.get_rng_state()
    assert kernel_fault(varlen.NAME, HEADS, "cpu", dtype) is None
    assert torch.get_rng_state().equal(before)


def test_kernels_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*given: object, **named: object) -> torch.Tensor:
        raise RuntimeError("no kernel image is available\nmore")

    def looks_back(query: torch.Tensor, *given: object, **named: object) -> torch.Tensor:
        one = torch.tensor([0, len(query)], dtype=torch.int32)
        longest = len(query)
        return varlen_attn(query, given[0], given[1], one, one, longest, longest, **named)

    calls = iter(range(10))

    def other_bytes(*given: object, **named: object) -> torch.Tensor:
        return varlen_attn(*given, **named) * (1 + 1e-3 * next(calls))

    told = {missing: "RuntimeError: no kernel image is available", looks_back: "it is off by "}
    for kernel, why in told.items():
        varlen.offer(kernel)
        assert (kernel_fault(varlen.NAME, HEADS, "cpu", "bfloat16") or "").startswith(why)
    varlen.offer(other_bytes)
    assert kernel_fault(varlen.NAME, HEADS, "cpu", "bfloat16") is None
    strict = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        fault = kernel_fault(varlen.NAME, HEADS, "cpu", "bfloat16")
    finally:
        torch.use_deterministic_algorithms(strict)
    assert fault == "it gives other bytes when it is called again"


def test_the_kernel_of_this_pytorch_takes_what_it_is_given() -> None:
    """Its arguments by name, against those of the function in its place."""
    import inspect

    there = varlen.kernel()
    if there is None:
        pytest.skip("this version of PyTorch has no varlen_attn with these arguments")
    known = inspect.signature(there).parameters
    for name, parameter in inspect.signature(varlen_attn).parameters.items():
        assert known[name].kind == parameter.kind, name
    first = list(inspect.signature(varlen_attn).parameters)[:7]
    assert list(known)[:7] == first
