"""Versions of the libraries that numbers depend on."""

import sys
from functools import cache
from importlib.metadata import version


@cache
def versions() -> dict[str, str]:
    """Library -> version, and that of Python."""
    names = ("torch", "transformers", "deepspeed", "lm_eval", "datasets", "tokenizers")
    return {"python": sys.version.split()[0], **{name: version(name) for name in names}}
