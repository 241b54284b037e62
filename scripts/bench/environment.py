"""The environment of what is measured."""

import os
from pathlib import Path

from harness.config.places import PACKAGE


def environment(threads: int) -> dict[str, str]:
    """What commands and contestants see: this package and its helpers, no network, so many threads,
    and nothing of a launcher."""
    given = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
    paths = [str(PACKAGE.parent), str(Path(__file__).parents[1])]
    return given | {
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
