"""Where things lie."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MICRO_MODEL = REPOSITORY / "harness" / "data" / "micro" / "model"
# Real data, which is not part of the repository; tests that need it are skipped without.
DATA = Path(os.environ.get("HARNESS_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
