"""A run whose work is all written and none of it done."""

import pytest
from support.stored import known, planned, write

from harness.run.job import Job


@pytest.fixture
def finished(tiny_run: list[str]) -> Job:
    """A finished run, in a store of its own."""
    job = planned(tiny_run)
    write(job)
    return known(job)
