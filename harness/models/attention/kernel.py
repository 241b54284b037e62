"""Does an attention kernel work on this device? Tried by itself, before a model depends on it."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from harness.errors import kind_and_line

if TYPE_CHECKING:
    from torch import Tensor

LENGTHS = (300, 5, 700)  # several of the tiles that a kernel cuts a row into, and a short one
# Of the largest value. fp32 is 1e-6 off, bf16 one or two of its steps of 2^-8; what looks into
# another example is off by a tenth and more.
TOLERANCE = {"float32": 1e-4, "bfloat16": 3e-2}


def kernel_fault(name: str, config: Any, device: str, dtype: str = "bfloat16") -> str | None:
    """Why an attention function of transformers is not to be used on 'cpu' or 'cuda:0' for heads
    as a model's text `config` tells them. None where it is: outputs and gradients of a packed row
    are those of its examples alone, and, where kernels have to be deterministic, the same bytes
    when it is called again. Leaves the random state alone."""
    import torch

    try:
        inputs = _inputs(config, device, getattr(torch, dtype))
        first, again = (_computed(name, inputs) for _ in range(2))
    except (RuntimeError, ValueError, TypeError, ImportError, AttributeError) as error:
        return kind_and_line(error)
    for mine, true in zip(first, _computed(None, inputs), strict=True):
        off = float((mine.float() - true.float()).abs().max() / true.float().abs().max())
        if not off <= TOLERANCE[dtype]:
            return f"it is off by {off:.1%}"
    strict = torch.are_deterministic_algorithms_enabled()
    if strict and not all(map(torch.equal, first, again)):
        return "it gives other bytes when it is called again"
    return None


def _inputs(config: Any, device: str, dtype: Any) -> "list[Tensor]":
    """Queries, keys, values [1, heads, L, d], and what a gradient begins with [1, L, heads, d]."""
    import torch

    heads, source = config.num_attention_heads, torch.Generator().manual_seed(0)
    keys = getattr(config, "num_key_value_heads", None) or heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    tokens = sum(LENGTHS)
    shapes = [(1, n, tokens, width) for n in (heads, keys, keys)] + [(1, tokens, heads, width)]
    return [torch.randn(shape, generator=source).to(device, dtype) for shape in shapes]


def _computed(name: str | None, inputs: "list[Tensor]") -> "tuple[Tensor, ...]":
    """The output, and the gradients of queries, keys and values. None: by PyTorch, one example
    after the other."""
    import torch

    *leaves, gradient = inputs
    leaves = [leaf.clone().requires_grad_() for leaf in leaves]
    made = _alone(*leaves) if name is None else _packed(name, *leaves)
    return (made.detach(), *torch.autograd.grad(made, leaves, gradient))


def _packed(name: str, query: "Tensor", key: "Tensor", value: "Tensor") -> "Tensor":
    import torch
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    positions = torch.cat([torch.arange(n) for n in LENGTHS])[None].to(query.device)
    layer = SimpleNamespace(
        config=SimpleNamespace(_attn_implementation=name),
        is_causal=True,
        training=True,
        layer_idx=0,
        num_key_value_groups=query.shape[1] // key.shape[1],
    )
    attend = ALL_ATTENTION_FUNCTIONS[name]
    return attend(layer, query, key, value, None, position_ids=positions)[0]


def _alone(query: "Tensor", key: "Tensor", value: "Tensor") -> "Tensor":
    import torch

    parts = zip(*(whole.split(LENGTHS, dim=2) for whole in (query, key, value)), strict=True)
    attend = torch.nn.functional.scaled_dot_product_attention
    made = [attend(*part, is_causal=True, enable_gqa=True) for part in parts]
    return torch.cat(made, dim=2).transpose(1, 2)
