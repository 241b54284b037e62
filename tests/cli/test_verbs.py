"""One table of verbs: dispatch, help, README, and a page for each of them."""

import inspect
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import fields
from importlib import import_module

import pytest
from support.places import REPOSITORY

from harness import __version__
from harness.cli.help import help_text
from harness.cli.main import main
from harness.cli.verbs import VERBS, sentence
from harness.config import EngineConfig, MethodConfig, StoreConfig
from harness.config import choices as words
from harness.config.choices import Choice
from harness.config.fields import help_of
from harness.errors import ConfigError


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_is_a_file_of_its_own_and_explains_itself(name: str, capsys) -> None:
    verb = VERBS[name]
    module = import_module(f"harness.cli.{verb.module}")
    assert re.match(rf"`harness {name}`", inspect.getdoc(module) or "")
    with suppress(SystemExit):  # argparse leaves, others return
        assert main([name, "--help"]) == 0
    page = capsys.readouterr().out
    assert re.match(rf"usage: harness {name}\b", page)
    assert len(page.splitlines()) < 90


@pytest.mark.parametrize("name", ["run", "plan", "eval", "prefetch", "frontier"])
def test_a_page_names_arguments_examples_and_where_the_keys_are(name: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main([name, "-h"])
    page = capsys.readouterr().out
    assert VERBS[name].line in page
    assert "key=value" in page
    assert "--config-dir" in page
    assert re.search(r"^examples:\n  python -m harness ", page, re.MULTILINE)
    assert "`python -m harness --help` lists every group and key" in page
    assert len(page.splitlines()) < 45


def test_the_verbs_stand_in_the_general_page() -> None:
    text = help_text()
    listed = text[: text.index("\nexamples")]
    assert re.findall(r"^  (\w+) +(.+)$", listed, re.MULTILINE) == [
        (name, verb.line) for name, verb in VERBS.items()
    ]


def test_the_readme_lists_them() -> None:
    text = " ".join((REPOSITORY / "README.md").read_text(encoding="utf-8").split())
    (listed,) = re.findall(r"verbs are (.*?`paper`)", text)
    assert re.sub(r" \([^)]*\)", "", listed) == sentence()


def test_the_version_is_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"trace-harness {__version__}\n"


def test_outside_its_environment_a_line_says_so() -> None:
    """A Python without site packages, as the system's is."""
    argv = [sys.executable, "-I", "-S", "-c"]
    code = f"import sys, runpy; sys.path.insert(0, {str(REPOSITORY)!r}); sys.argv = ['h', 'plan']; "
    code += "runpy.run_module('harness', run_name='__main__')"
    done = subprocess.run([*argv, code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the package 'omegaconf' is not installed for ")
    assert "source .venv/bin/activate" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_verb_is_told_the_nearest() -> None:
    for wrong, right in (("pln", "plan"), ("frontire", "frontier"), ("imports", "import")):
        with pytest.raises(ConfigError, match=f"unknown verb '{wrong}'; did you mean '{right}'"):
            main([wrong])


def test_every_word_of_a_closed_set_is_told_once_with_its_meaning() -> None:
    text = help_text()
    kinds = [kind for kind in vars(words).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, Choice) and kind is not Choice]
    assert len(kinds) > 15
    for kind in kinds:
        assert kind.listed() in text
        for word in kind:
            assert kind(word.value) is word
            assert word.meaning in kind.listed()
    (schedule,) = (spec for spec in fields(MethodConfig) if spec.name == "schedule")
    assert help_of(schedule).endswith(
        "sequential; joint (one model on all tasks); single (one model per task); "
        "none (nothing is trained)"
    )
    (precision,) = (spec for spec in fields(EngineConfig) if spec.name == "precision")
    assert help_of(precision).endswith(": fp32 | bf16")


@pytest.mark.parametrize("name", ["import", "tables", "paper"])
def test_places_default_to_those_of_a_run(name: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert StoreConfig().results in capsys.readouterr().out
