"""What tests of a GPU have in common. HARNESS_TEST_GPU_ON=cpu tries the tests themselves where
there is none: they run on a CPU then, and what only a GPU can show is left out."""

import os
from pathlib import Path

import pytest

from harness.config.machine import cpu_cores, gpu_count

DRY = os.environ.get("HARNESS_TEST_GPU_ON") == "cpu"


@pytest.fixture(scope="session")
def device() -> str:
    """'cuda', or 'cpu' where the tests are tried."""
    if not DRY and gpu_count() == 0:
        pytest.skip("no GPU")
    return "cpu" if DRY else "cuda"


@pytest.fixture(scope="session", params=[1, 2], ids=["one", "two"])
def world(request: pytest.FixtureRequest, device: str) -> int:
    """Ranks, each on a GPU of its own."""
    there = cpu_cores() if device == "cpu" else gpu_count()
    if there < request.param:
        pytest.skip(f"{request.param} ranks, and {there} of this machine")
    return request.param


@pytest.fixture(scope="session")
def fast_kernels(device: str) -> None:
    """Those of packed rows in bf16 begin with compute capability 8.0."""
    if device == "cuda":
        import torch

        if torch.cuda.get_device_capability() < (8, 0):
            pytest.skip("this GPU has no kernels for packed rows in bf16")


@pytest.fixture(scope="session")
def places(tiny_model: Path, tiny_data: Path, tiny_conf: list[str], device: str) -> list[str]:
    """Overrides for two tiny tasks and the tiny model on the device."""
    words = [word for word in tiny_conf if not word.startswith("engine.device=")]
    return [
        *words,
        f"model.path={tiny_model}",
        f"data.root={tiny_data}",
        f"engine.device={device}",
    ]
