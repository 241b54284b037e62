"""Where things lie."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MICRO_MODEL = REPOSITORY / "harness" / "data" / "micro" / "model"
# Real data, which is no part of the repository.
DATA = Path(os.environ.get("HARNESS_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


def needs_data(folder: str) -> pytest.MarkDecorator:
    """Skips a test where this folder of the real data is not on this machine."""
    told = f"HARNESS_TEST_DATA names no folder with {folder}"
    return pytest.mark.skipif(not (DATA / folder).is_dir(), reason=told)
