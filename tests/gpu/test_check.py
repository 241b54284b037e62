"""`harness check` on the GPUs of this machine."""

import pytest

from harness.cli.check import main

pytestmark = [pytest.mark.gpu, pytest.mark.distributed]


@pytest.mark.usefixtures("fast_kernels")
def test_all_is_well(device: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gpu" if device == "cuda" else "cpu"]) == 0, capsys.readouterr().out
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("nccl: ok" if device == "cuda" else "gloo: ok")
