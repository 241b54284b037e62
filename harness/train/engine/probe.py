"""Does this model treat a packed row like its examples alone? Asked of the model, not its name, on
the device and in the type that training uses."""

from collections.abc import Callable
from typing import Any

from harness.config import Precision
from harness.data.batches import pack
from harness.data.encoding import Example
from harness.errors import kind_and_line
from harness.models.memory import out_of_memory

# Differences are shares of the largest logit.
# Alone: another row has other shapes, so kernels add in another order. Exact models are below 1e-6
# in fp32, below 1e-2 in bf16 (steps of 2^-8; deep models have more of them); TF32, which rounds to
# 2^-11, was not measured. Positions that do not begin anew are off by a tenth and more.
ALONE = {Precision.fp32: 1e-4, Precision.bf16: 5e-2}
ALONE_TF32 = 1e-2
# In sight: only the tokens of another example change, shapes and kernels do not. In any type exact
# models give the same bytes (mixtures of experts may round otherwise); of those measured that see
# into another example (convolutions, states, ALiBi) the best differ by 2e-4 in fp32, 4e-3 in bf16.
IN_SIGHT = {Precision.fp32: 1e-5, Precision.bf16: 1e-3}


def packing_fault(
    forward: Callable[..., Any],
    vocabulary: int,
    device: str,
    precision: Precision,
    plain: Callable[..., Any] | None = None,
) -> str | None:
    """Why rows are not to be packed, None where that is exact. The model must not drop out.

    forward: the model; of ZeRO 3 all ranks call this together. precision: what it computes in; its
    logits may be wider. plain: the model with other attention, which it has to be like on examples
    alone. An error that says that memory ran out says nothing of the model and is raised.
    """
    import torch

    tokens = [(7 * i + 3) % vocabulary for i in range(24)]
    first, second = Example(tokens[:9], tokens[9:12]), Example(tokens[12:17], tokens[17:24])
    others = [(token + 5) % vocabulary for token in tokens[:12]]
    other = Example(others[:9], others[9:])
    try:
        with torch.no_grad():
            together = _logits(forward, [first, second], device)
            changed = _logits(forward, [other, second], device)
            alone, *otherwise = (
                torch.cat([_logits(model, [one], device) for one in (first, second)]).float()
                for model in (forward, plain)
                if model is not None
            )
    except (TypeError, ValueError, RuntimeError) as error:
        if out_of_memory(error):
            raise
        return kind_and_line(error)  # the model refuses position ids or partial logits
    coarse = precision is Precision.fp32 and _coarse(device)
    limit = ALONE_TF32 if coarse else ALONE[precision]
    behind, largest = len(first.answer_ids), alone.abs().max()
    seen = float((together - changed)[behind:].float().abs().max() / largest)
    if not seen <= IN_SIGHT[precision]:
        return f"an example's logits change by {seen:.1g} of the largest with the one before it"
    off = float((together.float() - alone).abs().max() / largest)
    if not off <= limit:
        return f"logits differ from those of an example alone by {off:.1g} of the largest"
    for logits in otherwise:
        off = float((logits - alone).abs().max() / largest)
        if not off <= limit:
            return f"logits of an example alone differ from sdpa's by {off:.1g} of the largest"
    return None


def _coarse(device: str) -> bool:
    import torch

    return device.startswith("cuda") and torch.get_float32_matmul_precision() != "highest"


def _logits(forward: Callable[..., Any], examples: list[Example], device: str) -> Any:
    batch = pack(examples).to(device)
    logits = forward(**batch.inputs).logits
    return logits[batch.answer_rows, batch.answer_columns]
