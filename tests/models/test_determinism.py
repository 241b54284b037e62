"""Which kernels a process may take, as PyTorch says it afterwards."""

from collections.abc import Iterator

import pytest
import torch

from harness.models.determinism import drawing, fix_kernels, way_out


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    strict = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn
    flags = (cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32)
    products, filled = torch.get_float32_matmul_precision(), torch.utils.deterministic
    fill = filled.fill_uninitialized_memory
    yield
    torch.use_deterministic_algorithms(strict, warn_only=warned)
    cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32 = flags
    torch.set_float32_matmul_precision(products)
    filled.fill_uninitialized_memory = fill


def strict() -> bool:
    """Is what has no deterministic form an error? (`put_` has none, on a CPU either.)"""
    try:
        torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))
    except RuntimeError as error:
        return "engine.deterministic=false" in way_out(str(error))
    return False


def test_on_a_gpu_it_is_an_error_and_not_a_warning() -> None:
    fix_kernels("cuda", deterministic=True, tf32=False)
    assert strict()
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.allow_tf32
    with drawing(), pytest.warns(UserWarning, match="does not have a deterministic"):
        assert not strict()
    assert strict()


def test_speed_is_asked_for() -> None:
    fix_kernels("cuda", deterministic=False, tf32=True)
    assert not strict()
    assert not torch.backends.cudnn.deterministic
    assert torch.get_float32_matmul_precision() == "high"
    assert torch.backends.cudnn.allow_tf32
    with drawing():
        assert not torch.are_deterministic_algorithms_enabled()


def test_other_errors_have_no_way_out() -> None:
    assert way_out("CUDA out of memory") == ""
