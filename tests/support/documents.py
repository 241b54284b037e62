"""What the documents tell to run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import harness
from support.places import REPOSITORY

NAMES = ("README.md", "CONTRIBUTING.md", "conf/README.md", "results/README.md")
DOCUMENTS = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in NAMES}
README, CONTRIBUTING, _, RESULTS = DOCUMENTS.values()
BLOCK = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", re.DOTALL)
# Sections whose commands need data of TRACE's, or models and endpoints: in this order, since the
# first one prepares the data.
ON_DATA = (
    ("conf/README.md", "TRACE"),
    ("conf/README.md", "Suites"),
    ("conf/README.md", "Judging"),
    ("results/README.md", "Results from elsewhere"),
    ("README.md", "A real model on one GPU"),
)


def section(name: str, title: str) -> str:
    """A document's section, up to the next heading of the same level."""
    text = DOCUMENTS[name]
    start = text.index(f"\n## {title}\n")
    end = text.find("\n## ", start + 1)
    return text[start:end] if end >= 0 else text[start:]


def on_data() -> list[str]:
    """The commands of ON_DATA."""
    return [line for place in ON_DATA for line in commands(section(*place))]


def without_data(name: str) -> str:
    """A document without its sections of ON_DATA."""
    text = DOCUMENTS[name]
    for place in ON_DATA:
        text = text.replace(section(*place), "") if place[0] == name else text
    return text


def commands(text: str) -> list[str]:
    """The lines of all shell blocks, without comments."""
    blocks = [body for language, _, body in BLOCK.findall(text) if language == "bash"]
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def write_files(text: str, folder: Path) -> None:
    """Write the blocks that name a file."""
    for _, name, body in BLOCK.findall(text):
        if name:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, encoding="utf-8")


def rows_of(text: str) -> list[list[str]]:
    """The cells of every line of Markdown tables."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def table(text: str, start: str) -> list[list[str]]:
    """The rows of the table whose heading starts so, without the line below the heading."""
    begin = text.index(start)
    head, _, *rows = rows_of(text[begin : text.index("\n\n", begin)])
    return [head, *rows]


def run_here(line: str, cwd: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """As `run`, but a plain line of the harness is run in this process, which spares it the imports
    of an interpreter and of ranks."""
    words = shlex.split(line)
    if words[:3] != ["python", "-m", "harness"] or set(line) & set("|;&<>`(*?~"):
        return run(line, cwd, variables)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return harness(*(os.path.expandvars(word) for word in words[3:]), cwd=cwd)


def run(
    line: str, cwd: Path, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a documented line as a shell would, with this interpreter's commands."""
    known = (variables or os.environ) | {"PYTHONPATH": str(REPOSITORY)}
    known["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), known["PATH"]])
    return subprocess.run(
        ["bash", "-c", line], cwd=cwd, capture_output=True, text=True, env=known, check=False
    )
