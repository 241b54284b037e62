"""The same bytes at every run on the same machine: what libraries have to be told for it.

Of attention's backward passes, PyTorch takes the deterministic ones (flash: in one order instead of
by atomic sums; memory-efficient: without cutting keys) under `use_deterministic_algorithms(True)`
alone: with `warn_only` it warns and takes the others (aten/native/transformers/cuda/
attention_backward.cu). So on a GPU an operation that has no deterministic form is an error.
"""

from collections.abc import Iterator
from contextlib import contextmanager

ALLOWED_BY = "engine.deterministic=false"
_REFUSAL = "does not have a deterministic implementation"


def kernel_variables() -> dict[str, str]:
    """What has to stand in the environment before CUDA starts: cuBLAS sums in one order only with a
    workspace of its own, and transformers hands flash-attn's flag on from there."""
    return {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "FLASH_ATTENTION_DETERMINISTIC": "1"}


def fix_kernels(device: str, deterministic: bool, tf32: bool) -> None:
    """Choose kernels for this process, before the first of them runs. device: 'cpu' or 'cuda'."""
    import torch

    torch.use_deterministic_algorithms(deterministic, warn_only=device == "cpu")
    # It would write every new tensor once more, to make what nobody has set the same.
    torch.utils.deterministic.fill_uninitialized_memory = False
    if device == "cpu":
        return
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = False  # it times kernels, and takes another each time
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32


@contextmanager
def drawing() -> Iterator[None]:
    """For drawing tokens: nucleus sampling adds probabilities up by a kernel that has no
    deterministic form on a GPU. It warns then instead of failing."""
    import torch

    strict = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(strict, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warned)


def way_out(line: str) -> str:
    """'; use <key>' for the error of an operation that is refused, else nothing."""
    return f"; {ALLOWED_BY} allows it, and runs may differ then" if _REFUSAL in line else ""
