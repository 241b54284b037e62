"""Adam's moments and step counts of this rank's pieces of the weights, at every ZeRO stage."""

from typing import TYPE_CHECKING, Any

from harness.train.engine.layout import Layout

if TYPE_CHECKING:
    from torch import Tensor

MOMENTS = ("exp_avg", "exp_avg_sq")


def moment(optimizer: Any, layout: Layout, parameter: Any, name: str) -> "Tensor":
    """The piece's moment of this name, flat and in fp32: the optimizer's own memory, writable."""
    tensor, first = layout.stepped(parameter)
    start, stop = layout.span(parameter) or (0, 0)
    return _state(optimizer, tensor)[name].view(-1)[first : first + stop - start]


def step_count(optimizer: Any, layout: Layout, parameter: Any) -> int:
    """How many steps Adam has taken on the piece since its moments were zero."""
    return int(_state(optimizer, layout.stepped(parameter)[0])["step"])


def set_step_count(optimizer: Any, layout: Layout, parameter: Any, count: int) -> None:
    """Change it. At ZeRO 1-3 it is that of other pieces as well, which have the same."""
    state = _state(optimizer, layout.stepped(parameter)[0])
    if isinstance(state["step"], int):
        state["step"] = count
    else:
        state["step"].fill_(count)


def _state(optimizer: Any, tensor: Any) -> dict[str, Any]:
    """Adam's state of what it steps, made as its first step would make it."""
    import torch

    state = optimizer.state[tensor]
    if not state:
        if isinstance(optimizer, torch.optim.AdamW):
            fused = optimizer.defaults.get("fused")
            state["step"] = torch.zeros((), device=tensor.device if fused else "cpu")
        else:  # DeepSpeed's kernel for the host counts in Python
            state["step"] = 0
        for name in MOMENTS:
            state[name] = torch.zeros_like(tensor, requires_grad=False)
    return state
