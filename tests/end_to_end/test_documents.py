"""What README and CONTRIBUTING say is run as it stands."""

import csv
import os
import re
import shlex
from pathlib import Path

import pytest
from conftest import MICRO_MODEL, REPOSITORY
from documents import BLOCK, CONTRIBUTING, README, commands, run, section_on_trace
from matrix import MATRIX

from harness.config.compose.compose import load
from harness.config.compose.sweep import expand


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
    cookbook = README[README.index("| you want | you write |") : README.index("\n## Methods")]
    rows = re.findall(r"^\| [^|]+ \| (`.*`) \|$", cookbook, re.M)
    written = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    assert len(written) >= 13
    for text in written:
        words = shlex.split(text)
        overrides = [word for word in words if word != "-m"]
        for job in expand(overrides, multirun="-m" in words):
            load(job)


def rows_of(text: str) -> list[list[str]]:
    """The cells of every line of Markdown tables."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def test_the_readme_shows_the_matrix_that_was_measured() -> None:
    with (REPOSITORY / "results" / "equivalence.csv").open() as stream:
        cells = list(csv.DictReader(stream))
    assert {cell["status"] for cell in cells} == {"equal", "refused"}
    assert {cell["method"] for cell in cells} == set(MATRIX)
    start = README.index("| method | all weights | LoRA |")
    shown = rows_of(README[start : README.index("\n\n", start)])[2:]
    assert [name for name, *_ in shown] == list(dict.fromkeys(cell["method"] for cell in cells))
    for name, *values in shown:
        for adapter, value in zip(("full", "lora"), values, strict=True):
            of = [c for c in cells if (c["method"], c["adapter"]) == (name, adapter)]
            largest = max((float(c["max_diff"]) for c in of if c["max_diff"]), default=None)
            told = "refused" if of else "\N{EN DASH}"
            assert value == (told if largest is None else f"{largest:.1e}")


def test_the_readme_shows_rows_of_the_methods_demo() -> None:
    whole = rows_of((REPOSITORY / "results/methods/tables/main.md").read_text(encoding="utf-8"))
    by_name = {row[2]: dict(zip(whole[0], row, strict=True)) for row in whole[2:]}
    start = README.index("| method | OP | LA |")
    head, _, *shown = rows_of(README[start : README.index("\n\n", start)])
    assert len(shown) > 20
    for name, *values in shown:
        assert values == [by_name[name][column] for column in head[1:]]


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
