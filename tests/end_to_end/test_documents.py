"""What README and CONTRIBUTING say is run as it stands."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

from harness.compose import expand, load

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", re.DOTALL)


def commands(text: str) -> list[str]:
    blocks = [body for language, _, body in BLOCK.findall(text) if language == "bash"]
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def run(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(line)
    assert words[0] == "python"
    return subprocess.run(
        [sys.executable, *words[1:]],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        check=False,
    )


@pytest.mark.distributed
@pytest.mark.slow
def test_every_command_of_the_readme(
    tmp_path_factory: pytest.TempPathFactory, tiny_data: Path
) -> None:
    """In one folder, in their order. The make targets are run by the checks of a clean clone; a
    line with <folder> runs with small data of its own in another test."""
    folder = tmp_path_factory.mktemp("readme")
    lines = [line for line in commands(README) if "<folder>" not in line]
    assert len(lines) >= 10
    for line in lines:
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", (REPOSITORY / "Makefile").read_text(), re.M)
            continue
        done = run(line, folder)
        assert done.returncode == 0, f"{line}\n{done.stderr[-2000:]}"


def test_every_override_of_the_cookbook_composes() -> None:
    rows = re.findall(r"^\| [^|]+ \| (`.*`) \|$", README, re.M)
    written = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    assert len(written) >= 13
    for text in written:
        words = shlex.split(text)
        overrides = [word for word in words if word != "-m"]
        for job in expand(overrides, multirun="-m" in words):
            load(job)


def test_the_quoted_error_is_the_real_one() -> None:
    command, said = re.search(r"\$ (python -m harness .*)\n(error: .*)", README).groups()
    assert run(command, REPOSITORY).stderr.strip() == said


@pytest.mark.distributed
def test_the_worked_example_of_contributing(tmp_path: Path) -> None:
    for _, name, body in BLOCK.findall(CONTRIBUTING):
        if name:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, encoding="utf-8")
    lines = [line for line in commands(CONTRIBUTING) if line.startswith("python ")]
    assert len(lines) == 2
    for line in lines:
        done = run(line, tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stderr[-2000:]}"
    assert "parity" in done.stdout
    assert "calm" in done.stdout
