"""Plug-ins: a wheel is built, installed and run; what is broken or double is told in one line."""

import importlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.places import REPOSITORY

from harness.cli.main import main
from harness.config import plugins
from harness.config.compose.compose import load
from harness.config.parts import Kind, load_part, names, part_identity, python_path
from harness.config.places import option_names
from harness.errors import ConfigError
from harness.plan.planner import make_plan
from harness.store.keys import FileHashes

SAMPLE = REPOSITORY / "tests" / "plugins" / "sample"
STRATEGY = """
from dataclasses import dataclass

from harness.methods import Strategy


@dataclass
class Mine(Strategy):
    strength: float = 0.1
"""
EDIT = """
from dataclasses import dataclass

from harness.methods.edits.wise_ft import WiSEFT


@dataclass
class Halfway(WiSEFT):
    pass
"""
OBJECTIVE = """
from dataclasses import dataclass

from harness.train.objectives import CrossEntropy


@dataclass
class SharpEntropy(CrossEntropy):
    pass
"""
SOURCE = "def read(folder, shots):\n    pass\n\n\ndef hard(folder, shots):\n    pass\n"
PRESET = "name: {name}\nmine:\n  _target_: {target}\n"

Install = Callable[..., Path]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with what this one has, and the sample's wheel."""
    place = tmp_path_factory.mktemp("plugins")
    source = shutil.copytree(SAMPLE, place / "sample")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    quiet = ["--quiet", "--no-deps", "--no-index"]
    wheel = [*pip, "wheel", *quiet, "--no-build-isolation", "-w", str(place), str(source)]
    subprocess.run(wheel, check=True)
    venv.create(place / "env", symlinks=True, with_pip=False)
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    shared = "\n".join([str(REPOSITORY), *libraries])
    (site_of(place / "env") / "shared.pth").write_text(shared)
    python = ["--python", str(place / "env" / "bin" / "python")]
    [built] = place.glob("*.whl")
    subprocess.run([*pip, *python, "install", *quiet, str(built)], check=True)
    return place / "env"


def site_of(environment: Path) -> Path:
    [folder] = environment.glob("lib/python*/site-packages")
    return folder


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages, seen as in a process that has just begun."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    monkeypatch.setattr(plugins, "_left_out", [])
    plugins.plugins.cache_clear()
    yield folder
    plugins.plugins.cache_clear()
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Install:
    """Writes an installed package: its files by path, and an entry point that names it."""

    def write(package: str, files: dict[str, str], value: str | None = None) -> Path:
        for name, text in {"__init__.py": "", **files}.items():
            path = site / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        about = site / f"{package}-2.1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.1\n")
        (about / "entry_points.txt").write_text(f"[harness]\n{package}={value or package}\n")
        importlib.invalidate_caches()
        plugins.plugins.cache_clear()
        return site / package

    return write


@pytest.fixture
def sample(environment: Path, site: Path) -> Path:
    """The sample as its wheel was installed, in this process."""
    shutil.copytree(site_of(environment), site, dirs_exist_ok=True)
    importlib.invalidate_caches()
    plugins.plugins.cache_clear()
    return site / "harness_sample"


@pytest.fixture
def sample_run(tiny_model: Path, tmp_path: Path) -> list[str]:
    return [
        *("method=shrink", "task=[parity]", "suite=[spelled]", f"model.path={tiny_model}"),
        *(f"store.root={tmp_path / 'store'}", f"store.results={tmp_path / 'results'}"),
        *("train.batch_size=8", "train.learning_rate=1e-3", "engine.device=cpu"),
    ]


def warnings(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


@pytest.mark.distributed
def test_an_installed_plug_in_runs(
    environment: Path, sample_run: list[str], tmp_path: Path
) -> None:
    """Its method does what it says: all weights are those of sequential fine-tuning, times 0.9."""
    from safetensors.torch import load_file

    both = ["-m", *sample_run, "method=seqft,shrink"]
    both.remove("method=shrink")
    done = subprocess.run(
        [str(environment / "bin" / "python"), "-m", "harness", *both],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr
    models = {}
    for node in (tmp_path / "store" / "train").iterdir():
        method = json.loads((node / "manifest.json").read_text())["config"]["method"]["name"]
        models[method] = load_file(node / "model.safetensors")
    assert set(models) == {"seqft", "shrink"}
    for name, weight in models["seqft"].items():
        assert (models["shrink"][name] - 0.9 * weight).abs().max() <= 1e-6 * weight.abs().max()
    table = (tmp_path / "results" / "scores.csv").read_text()
    for told in ("shrink", "parity", "spelled_parity"):
        assert f",{told}," in table


def test_pages_and_plans_know_it(
    sample: Path, sample_run: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--help"]) == 0
    page = capsys.readouterr().out
    assert all(f" {name}," in page for name in ("shrink", "parity", "spelled"))
    assert main(["method", "shrink"]) == 0
    page = capsys.readouterr().out
    for told in ("  Sequential fine-tuning whose", "arXiv 1910.08475", "method.shrink.factor=0.9"):
        assert told in page
    assert main(["plan", *sample_run, "method.factor=0.5"]) == 0
    plan = capsys.readouterr()
    assert all(f" {label} " in plan.out for label in ("train parity", "score spelled_parity"))
    assert plan.err == ""
    with pytest.raises(ConfigError, match=r"method\.shrink\.factor=2.*in \(0, 1\]"):
        main(["plan", *sample_run, "method.factor=2"])


def test_its_scorer_scores_predictions(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {"results": ["yes, it is", "no", "no."], "labels": ["yes", "yes", "no"]}
    (tmp_path / "predictions.json").write_text(json.dumps(answers))
    assert main(["score", str(tmp_path / "predictions.json"), "--task", "parity"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["accuracy"] == pytest.approx(2 / 3)
    assert python_path("first_word", "x", Kind.scorer) == "harness_sample.scorers.first_word"


@pytest.mark.parametrize(("file", "kind"), [("methods/shrink.py", "train"), ("scorers.py", "eval")])
def test_another_version_of_its_code_is_other_work(
    sample: Path, sample_run: list[str], file: str, kind: str
) -> None:
    def keys() -> list[str]:
        nodes = make_plan(load([*sample_run, "eval.stage0=false"]), FileHashes()).nodes
        return [node.key for node in nodes if node.kind == kind]

    before = keys()
    assert before == keys()
    (sample / file).write_text((sample / file).read_text() + "\n# other code\n")
    assert not set(before) & set(keys())


def test_parts_of_every_kind_have_public_names(install: Install) -> None:
    install(
        "many",
        {
            "methods/__init__.py": "",
            "methods/mine.py": STRATEGY,
            "edits/__init__.py": "",
            "edits/halfway.py": EDIT,
            "objectives.py": OBJECTIVE,
            "scorers/__init__.py": "",
            "scorers/words.py": "def same(doc, prediction):\n    return {'accuracy': 1.0}\n",
            "sources/__init__.py": "",
            "sources/own.py": SOURCE,
        },
    )
    for kind, name, path in (
        (Kind.strategy, "mine", "many.methods.mine.Mine"),
        (Kind.edit, "halfway", "many.edits.halfway.Halfway"),
        (Kind.objective, "sharp_entropy", "many.objectives.SharpEntropy"),
        (Kind.scorer, "same", "many.scorers.words.same"),
        (Kind.source, "own", "many.sources.own.read"),
        (Kind.source, "own_hard", "many.sources.own.hard"),
    ):
        part = load_part(name, "x", kind)
        assert python_path(name, "x", kind) == path
        assert part is load_part(path, "x", kind)
        assert name in names(kind)
        found = part_identity(part, kind, path)
        assert (found["path"], list(found["source"])) == (name, [path.rpartition(".")[0]])


def test_what_does_not_load_is_told_and_the_rest_works(
    install: Install, sample: Path, sample_run: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    install("absent", {}, value="no_such_package")
    install("raises", {"__init__.py": "1 / 0"})
    install("single", {"module.py": ""}, value="single.module")
    told = [
        "plug-in 'absent' of absent 2.1 does not load: "
        "ModuleNotFoundError: No module named 'no_such_package'",
        "plug-in 'raises' of raises 2.1 does not load: ZeroDivisionError: division by zero",
        "plug-in 'single' of single 2.1 does not load: "
        "ConfigError: single.module is no package (a folder with modules)",
    ]
    assert load(sample_run).method.name == "shrink"
    assert warnings(capsys) == [f"warning: {line}" for line in told]
    for words in (["plan", "method=mine"], ["method", "mine"]):
        with pytest.raises(ConfigError, match="unknown method 'mine'") as caught:
            main(words)
        assert str(caught.value).endswith(f" ({'; '.join(told)})")
    with pytest.raises(ConfigError) as caught:
        load_part("mine", "x", Kind.strategy)
    assert told[1] in str(caught.value)
    assert warnings(capsys) == []


def test_a_part_that_does_not_load_is_told_when_it_is_looked_at(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(
        "half",
        {
            "methods/__init__.py": "",
            "methods/mine.py": STRATEGY,
            "methods/torn.py": "import nothing_of_this_name",
            "edits.py": EDIT,
            "conf/methods/mine.yaml": PRESET.format(name="mine", target="mine"),
        },
    )
    assert load_part("mine", "x", Kind.strategy).__name__ == "Mine"
    assert warnings(capsys) == []
    with pytest.raises(ConfigError, match="there is no strategy 'torn'") as caught:
        load_part("torn", "x", Kind.strategy)
    line = (
        "plug-in 'half' of half 2.1: half.methods.torn does not load: "
        "ModuleNotFoundError: No module named 'nothing_of_this_name'"
    )
    assert str(caught.value).endswith(f" ({line})")
    assert "mine" in names(Kind.strategy)
    assert "edits" not in names(Kind.edit)
    load([])
    assert warnings(capsys) == [
        f"warning: {line}",
        "warning: plug-in 'half' of half 2.1: half.edits must be a folder with a file per edit, "
        "which is called after it",
        "warning: plug-in 'half' of half 2.1: conf/methods is no config group; "
        "did you mean 'method'?",
    ]


def test_two_parts_of_one_name_are_refused_when_asked_for(install: Install) -> None:
    for package in ("one", "two"):
        files = {"methods/__init__.py": "", "methods/mine.py": STRATEGY}
        install(package, {**files, **({"methods/replay.py": STRATEGY} if package == "one" else {})})
    for name, both in (
        ("mine", "one.methods.mine.Mine and two.methods.mine.Mine"),
        ("replay", "harness.methods.replay.Replay and one.methods.replay.Mine"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_part(name, "method.x._target_", Kind.strategy)
        assert str(caught.value) == (
            f"method.x._target_: '{name}' may be {both}; say which by its dotted path"
        )
    assert load_part("ewc", "x", Kind.strategy).__name__ == "EWC"
    assert names(Kind.strategy).count("replay") == 1
    assert "mine" in names(Kind.strategy)


def test_edits_are_listed_with_those_of_plug_ins(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    explained = f'"""Another ties."""\n{EDIT}'
    install("one", {f"edits/{name}.py": EDIT for name in ("__init__", "halfway")})
    install("two", {"edits/__init__.py": "", "edits/ties.py": explained})
    assert main(["edit", "--help"]) == 0
    lines = [line.split(None, 1) for line in capsys.readouterr().out.splitlines() if line]
    told = [words[1] for words in lines if words[0] == "ties"]
    assert len(told) == 2
    assert "Another ties." in told
    assert ["halfway", "(no explanation)"] in lines
    with pytest.raises(ConfigError, match=r"'ties' may be harness\..* and two\.edits\."):
        main(["edit", "ties", "--help"])


def test_two_options_of_one_name_are_refused_when_chosen(install: Install, tmp_path: Path) -> None:
    preset = PRESET.format(name="mine", target="replay")
    own = tmp_path / "conf"
    (own / "method").mkdir(parents=True)
    (own / "method" / "user.yaml").write_text(preset)
    files = ("method/mine", "method/replay", "method/user", "task/FOMC", "data/trace")
    for package in ("one", "two"):
        install(package, {f"conf/{name}.yaml": preset for name in files[:1]})
    third = install("three", {f"conf/{name}.yaml": preset for name in files[1:]})
    folder = f"hydra.searchpath=['file://{own}']"
    for words, option in (
        (["method=mine"], "method=mine"),
        (["method=[ewc,replay]"], "method=replay"),
        (["method=replay_general"], "method=replay"),  # builds on it
        ([folder, "method=user"], "method=user"),
        (["task=[FOMC]"], "task=FOMC"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(words)
        line = str(caught.value)
        assert line.startswith(f"{option} may be /"), line
        assert "(plug-in '" in line
        assert " and /" in line
        assert line.endswith("; rename or remove all but one")
    with pytest.raises(ConfigError, match="task=FOMC may be"):
        main(["score", "x.json", "--task", "FOMC"])
    assert load(["task=[micro_stance]"]).method.name == "seqft"
    assert option_names("method", []).count("replay") == 1
    # Its author composes with the folder at hand while the plug-in is installed.
    shutil.rmtree(third / "conf" / "task")
    assert load([f"hydra.searchpath=['file://{third / 'conf'}']"]).method.name == "seqft"
