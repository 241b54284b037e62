"""Where the datasets library keeps what it makes of local files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def local_cache(folder: Path) -> Iterator[None]:
    """Keep the converted copies of local files in `folder`, not among the data of the hub, which
    may lie on a shared or read-only disk. A cache that HF_DATASETS_CACHE names is left as it is."""
    from datasets import config

    before = config.HF_DATASETS_CACHE
    if "HF_DATASETS_CACHE" not in os.environ:
        config.HF_DATASETS_CACHE = folder
    try:
        yield
    finally:
        config.HF_DATASETS_CACHE = before
