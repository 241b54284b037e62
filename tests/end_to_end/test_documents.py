"""What the documents say is run as it stands, and what they show is compared with its source.

What needs data of TRACE's runs in test_readme_on_data.py.
"""

import csv
import json
import os
import re
import shlex
from pathlib import Path

import pytest
from matrix import MATRIX
from support.documents import (
    CONTRIBUTING,
    DOCUMENTS,
    README,
    RESULTS,
    commands,
    rows_of,
    run,
    run_here,
    section,
    table,
    without_data,
    write_files,
)
from support.places import MICRO_MODEL, REPOSITORY

from harness.config.compose.compose import load
from harness.config.compose.sweep import expand
from harness.results.report.printing import LEVEL_MARK


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of the micro model, as a stage's folder holds it."""
    import peft
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("adapter")
    model = AutoModelForCausalLM.from_pretrained(MICRO_MODEL)
    peft.get_peft_model(model, peft.LoraConfig(r=2)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(MICRO_MODEL).save_pretrained(folder)
    return folder


@pytest.mark.distributed
@pytest.mark.slow
def test_every_command_that_needs_no_data(
    tmp_path_factory: pytest.TempPathFactory, adapter: Path
) -> None:
    """In one folder, in their order, each once. The make targets are run by the checks of a clean
    clone."""
    folder = tmp_path_factory.mktemp("readme")
    model = str(MICRO_MODEL)
    variables = os.environ | {"MODEL": model, "TUNED": model, "ADAPTER": str(adapter)}
    texts = [without_data(name) for name in DOCUMENTS if name != "CONTRIBUTING.md"]
    lines = dict.fromkeys(line for text in texts for line in commands(text))
    assert len(lines) >= 15
    write_files(README, folder)
    for line in lines:
        if not line.startswith("make "):
            if "$RUN" in line:
                variables["RUN"] = smoke_run(folder)
            done = run_here(line, folder, variables)
            assert done.returncode == 0, f"{line}\n{done.stderr[-2000:]}"
    for exported in ("exported", "merged"):
        assert (folder / exported / "model.safetensors").is_file()
        assert (folder / exported / "tokenizer.json").is_file()


def smoke_run(folder: Path) -> str:
    """The run of `experiment=smoke`, by the beginning of its name."""
    records = (folder / "results" / "store" / "runs").glob("*.json")
    told = [json.loads(path.read_text())["run"] for path in records]
    ours = [run for run in told if (run["experiment"], run["method"]) == ("smoke", "seqft")]
    return min(run["run"] for run in ours if run["seed"] == 0)[:16]


@pytest.mark.distributed
def test_the_worked_example_of_contributing(tmp_path: Path) -> None:
    write_files(CONTRIBUTING, tmp_path)
    lines = [line for line in commands(CONTRIBUTING) if line.startswith("python ")]
    assert len(lines) == 2
    for line in lines:
        done = run(line, tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stderr[-2000:]}"
    for shown in ("parity", "long_parity", "calm"):
        assert shown in done.stdout


def test_every_make_target_is_there() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    told = {word for text in DOCUMENTS.values() for word in re.findall(r"`make ([a-z-]+)", text)}
    lines = [line.split() for text in DOCUMENTS.values() for line in commands(text)]
    targets = told | {words[1] for words in lines if words[0] == "make"}
    assert {"demo", "test", "equivalence", "paper-tables"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_override_of_the_cookbook_composes() -> None:
    rows = re.findall(r"^\| [^|]+ \| (`.*`) \|$", section("README.md", "Your own runs"), re.M)
    written = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    assert len(written) >= 13
    studies = re.findall(r"`(-m [^`]+)`", RESULTS)
    assert studies
    for text in written + studies:
        words = shlex.split(text)
        overrides = [word for word in words if word != "-m"]
        for job in expand(overrides, multirun="-m" in words):
            load(job)


def test_links_lead_somewhere() -> None:
    headings = {
        REPOSITORY / name: {
            re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.M)
        }
        for name, text in DOCUMENTS.items()
    }
    for name, text in DOCUMENTS.items():
        links = re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", text)
        for path, anchor in links:
            target = (REPOSITORY / name).parent.joinpath(path).resolve()
            assert target.exists(), f"{name}: {path}"
            assert not anchor or anchor in headings[target], f"{name}: {path}#{anchor}"


def test_files_and_rooms_that_are_named_are_there() -> None:
    for name, text in DOCUMENTS.items():
        for path in re.findall(r"`((?:harness|conf|scripts|tests)/[\w./-]*)`", text):
            assert (REPOSITORY / path).exists(), f"{name}: {path}"
    _, *rooms = table(CONTRIBUTING, "| room | what |")
    there = {f"{path.name}/" for path in (REPOSITORY / "harness").glob("[a-z]*/")}
    assert {name for name, _ in rooms} == there | {"errors.py"}


def test_the_readme_is_short_and_names_every_verb() -> None:
    assert len(README.splitlines()) <= 220
    usage = run("python -m harness --help", REPOSITORY).stdout.split("\n\n")[1]
    verbs = re.findall(r"^  (\w+) ", usage, re.M)
    assert {"run", "plan", "paper"} <= set(verbs)
    [listed] = re.findall(r"verbs are ([^;]*);", section("README.md", "Your own runs"))
    named = re.findall(r"`(\w+)`", listed)
    assert named == verbs


def test_the_equivalence_matrix_is_the_one_that_was_measured() -> None:
    with (REPOSITORY / "results" / "equivalence.csv").open() as stream:
        cells = list(csv.DictReader(stream))
    assert {cell["status"] for cell in cells} == {"equal", "refused"}
    assert {cell["method"] for cell in cells} == set(MATRIX)
    _, *shown = table(RESULTS, "| method | all weights | LoRA |")
    assert [name for name, *_ in shown] == list(dict.fromkeys(cell["method"] for cell in cells))
    for name, *values in shown:
        for kind, value in zip(("full", "lora"), values, strict=True):
            of = [c for c in cells if (c["method"], c["adapter"]) == (name, kind)]
            largest = max((float(c["max_diff"]) for c in of if c["max_diff"]), default=None)
            told = "refused" if of else "\N{EN DASH}"
            assert value == (told if largest is None else f"{largest:.1e}")


def rows_by_method(file: str) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Columns and rows of a committed table of results, without the marks that files of tables have
    and what is printed at the end of a run has not."""
    whole = rows_of((REPOSITORY / file).read_text(encoding="utf-8"))
    whole = [[cell.removesuffix(f" {LEVEL_MARK}") for cell in row] for row in whole]
    return whole[0], {row[2]: dict(zip(whole[0], row, strict=True)) for row in whole[2:]}


def test_rows_of_the_methods_demo_are_shown() -> None:
    _, by_name = rows_by_method("results/methods/tables/main.md")
    head, *shown = table(RESULTS, "| method | OP | LA |")
    assert len(shown) > 20
    for name, *values in shown:
        assert values == [by_name[name][column] for column in head[1:]]


def test_the_table_of_the_demo_is_shown() -> None:
    columns, by_name = rows_by_method("results/demo.md")
    head, *shown = table(README, "| Method     |         OP |")
    assert set(head[1:]) <= set(columns)
    assert {name for name, *_ in shown} == set(by_name)
    for name, *values in shown:
        assert values == [by_name[name][column] for column in head[1:]]


def test_the_quoted_error_is_the_real_one() -> None:
    command, said = re.search(r"\$ (python -m harness .*)\n(error: .*)", README).groups()
    assert run(command, REPOSITORY).stderr.strip() == said
