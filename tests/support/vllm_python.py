"""A python that has a stand-in for vLLM."""

import sys
from pathlib import Path

STAND_IN = Path(__file__).parent / "vllm_stand_in"


def stand_in_python(folder: Path, **variables: str) -> Path:
    """A program that runs as a python with the stand-in, and variables of its environment."""
    about = folder / "vllm-0.0.dist-info" / "METADATA"
    about.parent.mkdir(parents=True, exist_ok=True)
    about.write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.0\n")
    words = [f"PYTHONPATH='{STAND_IN}:{folder}'", *(f"{k}='{v}'" for k, v in variables.items())]
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec env {" ".join(words)} "{sys.executable}" "$@"\n')
    program.chmod(0o755)
    return program
