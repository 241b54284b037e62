"""What README and CONTRIBUTING say is run as it stands."""

import os
import re
import shlex
from pathlib import Path

import pytest
from conftest import MICRO_MODEL, REPOSITORY
from documents import BLOCK, CONTRIBUTING, README, commands, run, section_on_trace

from harness.compose import expand, load


@pytest.mark.distributed
@pytest.mark.slow
def test_every_command_of_the_readme(
    tmp_path_factory: pytest.TempPathFactory, tiny_data: Path
) -> None:
    """In one folder, in their order. The make targets are run by the checks of a clean clone; what
    needs data of TRACE's runs in test_readme_on_data.py."""
    folder = tmp_path_factory.mktemp("readme")
    lines = commands(README.replace(section_on_trace(), ""))
    variables = os.environ | {"MODEL": str(MICRO_MODEL), "TUNED": str(MICRO_MODEL)}
    assert len(lines) >= 10
    for line in lines:
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", (REPOSITORY / "Makefile").read_text(), re.M)
            continue
        done = run(line, folder, variables)
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
