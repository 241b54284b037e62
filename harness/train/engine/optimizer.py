"""AdamW, made for where its state lies."""

from typing import Any

from harness.config import EngineConfig, Offload, TrainConfig


def adamw(model: Any, train: TrainConfig, engine: EngineConfig, device: str) -> Any:
    """AdamW with weight decay on matrices only (norms and biases are vectors).

    On a GPU it is one kernel that makes no temporary copies. State in host memory is stepped there:
    by DeepSpeed's vectorized kernel beside a GPU, where that can be built, else by torch's.
    """
    import torch

    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if _is_matrix(p)], "weight_decay": train.weight_decay},
        {"params": [p for p in parameters if not _is_matrix(p)], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
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
