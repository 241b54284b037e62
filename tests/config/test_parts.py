"""Public names of parts: how they are found, what is refused, and what they are in content keys."""

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.places import REPOSITORY

from harness.config import parts
from harness.config.allowed import VARIABLE
from harness.config.compose.compose import load
from harness.config.parts import Kind, load_part, names, part_identity, python_path
from harness.config.plain import plain_identity
from harness.errors import ConfigError
from harness.methods.edits.greedy_soup import GreedySoup
from harness.methods.edits.loading import load_edit
from harness.methods.loading import load_strategies
from harness.plan.planner import make_plan
from harness.store.keys import FileHashes

STRATEGY = """
from dataclasses import dataclass

from harness.methods.base import Strategy


@dataclass
class Mine(Strategy):
    strength: float = 0.1
"""
SCORER = """
def score(doc, prediction):
    return {"accuracy": float(prediction == doc["answer"])}
"""
OBJECTIVE = """
from dataclasses import dataclass

from harness.train.objectives import CrossEntropy


@dataclass
class Sharper(CrossEntropy):
    power: float = 2.0
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Writes a module of the user's own that can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    allowed = list[str]()

    def write(name: str, text: str) -> Path:
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()
        allowed.append(name.partition("/")[0])
        monkeypatch.setenv(VARIABLE, ",".join(allowed))
        return path

    yield write
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def test_every_file_of_a_part_is_its_name() -> None:
    files = {path.stem for path in (REPOSITORY / "harness" / "methods").glob("*.py")}
    face = {"__init__", "base", "forward", "hooks", "memory", "needs", "stage", "view"}
    assert set(names(Kind.strategy)) == files - face - {"loading"}
    assert names(Kind.objective) == ["cross_entropy"]
    assert {"letter", "reasoned_letter", "micro_refusal"} <= set(names(Kind.scorer))
    assert {"gsm8k", "open_ended", "open_ended_self_instruct", "xstest_safe"} <= set(
        names(Kind.source)
    )
    assert not {"base", "apply", "loading"} & set(names(Kind.edit))


def test_a_name_imports_its_own_file_and_no_torch() -> None:
    code = (
        "import sys; from harness.config.parts import Kind, load_part;"
        "load_part('replay', 'x', Kind.strategy); load_part('gsm8k', 'x', Kind.source);"
        "loaded = [name for name in sys.modules if name.startswith('harness.')];"
        "assert 'harness.methods.gem' not in loaded and 'harness.evaluation.sources.bbh' not in "
        "loaded, loaded; assert 'torch' not in sys.modules and 'lm_eval' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_training_needs_no_hydra() -> None:
    code = "import sys, harness.train.stage; assert 'hydra' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    ("name", "kinds", "told"),
    [
        ("replya", [Kind.strategy, Kind.edit], "no strategy or edit 'replya'; did you mean 'rep"),
        ("wise_ft", [Kind.strategy], "there is no strategy 'wise_ft'"),
        ("base", [Kind.strategy], "there is no strategy 'base'"),
        ("anchored", [Kind.strategy], "there is no strategy 'anchored'"),
        ("xstest", [Kind.source], "there is no source 'xstest'; did you mean 'xstest_"),
        ("prompts_open_ended", [Kind.source], "there is no source 'prompts_open_ended'"),
        ("", [Kind.scorer], "there is no scorer ''; known: choice_with_reason, code_line"),
        ("no.such.part", [Kind.scorer], "cannot import 'no.such'"),
    ],
)
def test_unknown_names(
    name: str, kinds: list[Kind], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "no")
    with pytest.raises(ConfigError) as caught:
        load_part(name, "some.key", *kinds)
    assert str(caught.value).startswith("some.key: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_parts_of_one_name_are_refused(own, monkeypatch: pytest.MonkeyPatch) -> None:
    own("more_parts/__init__", "")
    own("more_parts/replay", STRATEGY)
    own("more_parts/fresh", STRATEGY)
    monkeypatch.setattr(parts, "places", lambda kind: ("harness.methods", "more_parts"))
    found = part_identity(load_part("fresh", "x", Kind.strategy), Kind.strategy)
    assert (found["path"], list(found["source"])) == ("fresh", ["more_parts.fresh"])
    with pytest.raises(ConfigError) as caught:
        load_part("replay", "method.replay._target_", Kind.strategy)
    assert str(caught.value) == (
        "method.replay._target_: 'replay' may be harness.methods.replay.Replay and "
        "more_parts.replay.Mine; say which by its dotted path"
    )
    assert load_part("more_parts.replay.Mine", "x", Kind.strategy).__name__ == "Mine"


def test_a_part_of_the_package_is_its_name_however_it_was_found() -> None:
    for kind, path, name in (
        (Kind.strategy, "harness.methods.replay.Replay", "replay"),
        (Kind.edit, "harness.methods.edits.lines.LiNeS", "lines"),
        (Kind.scorer, "harness.scorers.reasoned.reasoned_letter", "reasoned_letter"),
        (Kind.source, "harness.evaluation.sources.xstest.unsafe", "xstest_unsafe"),
    ):
        assert part_identity(load_part(path, "x", kind), kind, path) == name
        assert load_part(name, "x", kind) is load_part(path, "x", kind)
        assert python_path(name, "x", kind) == path


def test_parts_inside_parts_have_names_too() -> None:
    edit = load_edit(load(["method=lines_ties"]).method.edits["lines"])
    found = plain_identity(edit)
    assert (found["class"], found["merge_with"]["_target_"]) == ("lines", "ties")


def keys(overrides: list[str], kind: str) -> list[str]:
    return [n.key for n in make_plan(load(overrides), FileHashes()).nodes if n.kind == kind]


@pytest.mark.parametrize(
    ("text", "change", "kind"),
    [
        (STRATEGY, "+method.mine={_target_: MODULE.Mine}", "train"),
        (OBJECTIVE, "train.objective={_target_: MODULE.Sharper}", "train"),
        (SCORER, "task.count.scorer=MODULE.score", "eval"),
    ],
)
def test_a_changed_file_of_ones_own_is_other_work(
    text: str, change: str, kind: str, own, tiny_run: list[str]
) -> None:
    module = f"own_{kind}_{len(text)}"
    path = own(module, text)
    overrides = [*tiny_run, change.replace("MODULE", module)]
    before = keys(overrides, kind)
    assert before == keys(overrides, kind)
    assert before != keys(tiny_run, kind)
    path.write_text(f"{text}\n# other code\n")
    assert before != keys(overrides, kind)


def test_the_file_of_a_base_class_counts_as_well(own) -> None:
    base = own("own_base", STRATEGY)
    own("own_child", "from own_base import Mine\n\n\nclass Child(Mine):\n    pass\n")

    def found() -> object:
        return part_identity(load_part("own_child.Child", "x", Kind.strategy), Kind.strategy)

    before = found()
    assert before["path"] == "own_child.Child"
    assert sorted(before["source"]) == ["own_base", "own_child"]
    base.write_text(f"{STRATEGY}\n# other code\n")
    assert found() != before


def test_a_function_that_scores_models_counts_as_well(own) -> None:
    path = own("own_judge", "def best(folder):\n    return 1.0\n")
    before = plain_identity(GreedySoup(score="own_judge.best"))
    path.write_text("def best(folder):\n    return 2.0\n")
    assert plain_identity(GreedySoup(score="own_judge.best")) != before


def test_a_strategy_of_the_package_and_its_path_are_one_method(tiny_run: list[str]) -> None:
    path = "+method.replay={_target_: harness.methods.replay.Replay, ratio: 0.5}"
    name = "+method.replay={_target_: replay, ratio: 0.5}"
    assert keys([*tiny_run, path], "train") == keys([*tiny_run, name], "train")
    assert load_strategies(load([*tiny_run, name]).method)["replay"].ratio == 0.5
