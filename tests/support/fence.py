"""Machines on which programs of a model can be fenced in: Linux from 5.13 on."""

import pytest

from harness.errors import StageFailed
from harness.scorers.sandbox.run import run_program


def require_fence() -> None:
    """Skip the test where the kernel has no such means; whatever else is wrong fails it."""
    try:
        run_program("pass")
    except StageFailed as error:
        if " no Landlock" in str(error) or " no filter" in str(error):
            pytest.skip(str(error))
        raise
