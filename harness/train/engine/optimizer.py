"""AdamW, made for where its state lies."""

from collections.abc import Mapping
from typing import Any

from harness.config import EngineConfig, Offload, TrainConfig

NO_RATES: Mapping[str, float] = {}
FACTOR = "rate_factor"  # of a group: what multiplies the learning rate


def adamw(
    model: Any,
    train: TrainConfig,
    engine: EngineConfig,
    device: str,
    rates: Mapping[str, float] = NO_RATES,
) -> Any:
    """AdamW with weight decay on matrices only (norms and biases are vectors).

    rates: factors of the learning rate by parameter name, 1 where none is given; `set_rate` sets
    the rate that they multiply. Each factor makes a group of its own.
    On a GPU it is one kernel that makes no temporary copies. State in host memory is stepped there:
    by DeepSpeed's vectorized kernel beside a GPU, where that can be built, else by torch's.
    """
    import torch

    groups = _groups(model, train.weight_decay, rates)
    options = {
        "lr": train.learning_rate,
        "betas": (train.betas[0], train.betas[1]),
        "eps": train.eps,
    }
    on_gpu = device.startswith("cuda")
    if engine.offload is not Offload.none:
        if on_gpu and _cpu_adam_is_there():
            from deepspeed.ops.adam import DeepSpeedCPUAdam

            return DeepSpeedCPUAdam(groups, adamw_mode=True, **options)
        return torch.optim.AdamW(groups, **options)
    return torch.optim.AdamW(groups, fused=on_gpu or None, **options)


def set_rate(optimizer: Any, learning_rate: float) -> None:
    """Take the next step with this rate, times each group's own factor."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group[FACTOR]


def _groups(model: Any, weight_decay: float, rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """Matrices before vectors, and within these factors as they come up in the model."""
    found: dict[tuple[bool, float], list[Any]] = {}
    for matrix in (True, False):
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and _is_matrix(parameter) == matrix:
                found.setdefault((matrix, float(rates.get(name, 1.0))), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": weight_decay if matrix else 0.0, FACTOR: factor}
        for (matrix, factor), parameters in found.items()
    ]


def _is_matrix(parameter: Any) -> bool:
    """By its whole shape; one that is partitioned already has none left."""
    return len(getattr(parameter, "ds_shape", parameter.shape)) >= 2


def _cpu_adam_is_there() -> bool:
    """Can DeepSpeed's kernel for the host be compiled here? It needs a compiler and ninja."""
    from subprocess import SubprocessError

    from deepspeed.ops.op_builder import CPUAdamBuilder

    try:
        CPUAdamBuilder().load(verbose=False)
    except (OSError, RuntimeError, ImportError, SubprocessError):
        return False
    return True


def forget_moments(optimizer: Any) -> None:
    """Set moments and step counts to zero."""
    import torch

    for state in optimizer.state.values():
        for name, value in state.items():
            if torch.is_tensor(value):
                value.zero_()
            else:
                state[name] = 0
