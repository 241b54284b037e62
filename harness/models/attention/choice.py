"""Which way packed rows are attended, the fastest first, and what of a model decides it."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from harness.config import Attention, Precision
from harness.models.attention import varlen

# Those that read the examples' borders off position ids: no mask is made for them.
MASKLESS = (Attention.flash_attention_2.value, Attention.flash_attention_3.value, varlen.NAME)


@dataclass(frozen=True)
class Situation:
    """What decides. flash_attn, varlen: are these kernels here? maskless: does the model take
    packed rows without a mask, as transformers' flash attention gives them? windows: does a token
    see some of those before it only? dropout: of attention weights?"""

    asked: Attention
    on_gpu: bool
    precision: Precision
    flash_attn: bool = False
    varlen: bool = False
    maskless: bool = True
    windows: bool = False
    dropout: bool = False


def maskless_kernels() -> list[str]:
    """Those by which a GPU may do `sdpa` that this environment has, the fastest first."""
    flash = [Attention.flash_attention_2.value] if find_spec("flash_attn") else []
    return [*flash, varlen.NAME] if varlen.kernel() else flash


def tried(asked: Attention) -> tuple[str, ...]:
    """All that `ways` may name on any machine, the fastest first, what is asked for last."""
    if asked is not Attention.sdpa:
        return (asked.value,)
    return (Attention.flash_attention_2.value, varlen.NAME, asked.value)


def ways(here: Situation) -> tuple[str, ...]:
    """Names of attention functions, the fastest first; each is tried until one works.

    What is asked for by name is taken as it is. `sdpa` leaves the kernel open: those that need no
    mask and compute in bf16 alone, else one call for each example of a row, or the dense mask
    (`blocks`). flex_attention is taken where it is asked for: it compiles for minutes.
    """
    if here.asked is not Attention.sdpa:
        return (here.asked.value,)
    found = []
    if here.on_gpu and here.precision is Precision.bf16 and here.maskless:
        if here.flash_attn:
            found.append(Attention.flash_attention_2.value)
        if here.varlen and not here.windows and not here.dropout:
            found.append(varlen.NAME)
    return (*found, Attention.sdpa.value)


def windows(config: Any) -> bool:
    """Does a layer see only some of the places before? By a model's text configuration."""
    kinds = set(getattr(config, "layer_types", None) or ())
    keys = ("sliding_window", "attention_chunk_size")
    return bool(kinds - {"full_attention"}) or any(getattr(config, name, None) for name in keys)


def situation(model: Any, asked: Attention, precision: Precision, device: str) -> Situation:
    """That of a model of transformers (without an adapter around it) on 'cpu' or 'cuda:0'."""
    config = model.config.get_text_config()
    kernels = maskless_kernels()
    rates = [value for name, value in vars(config).items() if "att" in name and "drop" in name]
    return Situation(
        asked,
        device.startswith("cuda"),
        precision,
        Attention.flash_attention_2.value in kernels,
        varlen.NAME in kernels,
        bool(getattr(model, "_supports_flash_attn", False))
        and model._can_set_attn_implementation(),
        windows(config),
        any(rates),
    )
