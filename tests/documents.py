"""What README and CONTRIBUTING tell to run."""

import os
import re
import subprocess
import sys
from pathlib import Path

from conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", re.DOTALL)


def commands(text: str) -> list[str]:
    blocks = [body for language, _, body in BLOCK.findall(text) if language == "bash"]
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def section_on_trace() -> str:
    """The README's section on the benchmark's own data."""
    start = README.index("\n## TRACE\n")
    return README[start : README.index("\n## ", start + 1)]


def run(
    line: str, cwd: Path, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a documented line as a shell would, with this interpreter's commands."""
    known = (variables or os.environ) | {"PYTHONPATH": str(REPOSITORY)}
    known["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), known["PATH"]])
    return subprocess.run(
        ["bash", "-c", line], cwd=cwd, capture_output=True, text=True, env=known, check=False
    )
