"""Code of others runs only where the command line or the environment lets it: settled before it is
imported, and no config file can let itself."""

from pathlib import Path

import pytest
from support.command import Done, harness, only_error, refused

LEAVES_A_MARK = "from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\n"
STRATEGY = LEAVES_A_MARK + (
    "from dataclasses import dataclass\nfrom harness.methods import Strategy\n\n"
    "@dataclass\nclass Mine(Strategy):\n    beta: float = 1.0\n"
)
FACTS = "suite.general.benchmarks.micro_facts"
MINE = "+method.mine={_target_: own.Mine}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a module that leaves a mark when it is imported, and a config folder
    of somebody else's."""
    (tmp_path / "own.py").write_text(STRATEGY)
    for group in ("experiment", "model", "task", "suite", "hydra/launcher"):
        (tmp_path / "conf" / group).mkdir(parents=True)
    monkeypatch.delenv("HARNESS_ALLOW_CODE", raising=False)
    return tmp_path


def ran(folder: Path) -> bool:
    return (folder / "own.ran").exists()


def plan(folder: Path, *words: str) -> Done:
    return harness("plan", "--config-dir", str(folder / "conf"), *words, cwd=folder)


def experiment(folder: Path, text: str) -> str:
    """The line with which an experiment is refused; nothing of it may have been imported."""
    (folder / "conf" / "experiment" / "theirs.yaml").write_text(f"# @package _global_\n{text}\n")
    told = only_error(plan(folder, "experiment=theirs"))
    assert not ran(folder)
    return told


@pytest.mark.parametrize(
    ("word", "key"),
    [
        (MINE, "method.mine._target_"),
        ("train.objective._target_=own.Mine", "train.objective._target_"),
        ("task.micro_units.scorer=own.score", "task.micro_units.scorer"),
        (f"{FACTS}.scorer=null {FACTS}.source=own.read", f"{FACTS}.source"),
    ],
)
def test_a_dotted_path_is_not_followed_and_the_word_to_add_is_told(
    word: str, key: str, folder: Path
) -> None:
    words = [word] if word == MINE else word.split()
    told = refused("plan", *words, cwd=folder)
    assert key in told
    assert "add code.allow=[own] to the command line, or set HARNESS_ALLOW_CODE=own" in told
    assert not ran(folder)


def test_the_word_that_is_told_is_enough(folder: Path) -> None:
    done = harness("plan", MINE, "code.allow=[own]", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert ran(folder)


def test_so_is_it_as_a_whole_section(folder: Path) -> None:
    done = harness("plan", MINE, "code={allow:[own]}", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert ran(folder)


@pytest.fixture
def sweeper(folder: Path) -> Path:
    """A sweeper of the user's with a sampler, as Optuna's plug-in has them."""
    own = "_target_: hydra._internal.core_plugins.basic_sweeper.BasicSweeper\n"
    for name, text in {
        "sampled": f"defaults: [sampler: tpe]\n{own}max_batch_size: null\nparams: {{}}\n",
        "sampler/tpe": "_target_: optuna.samplers.TPESampler\nseed: 1\n",
        "sampler/random": "_target_: optuna.samplers.RandomSampler\nseed: 1\n",
    }.items():
        path = folder / "conf" / "hydra" / "sweeper" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize("more", [[], ["hydra/sweeper/sampler=random"]])
def test_what_belongs_to_a_chosen_option_of_hydra_s_is_trusted(
    more: list[str], sweeper: Path
) -> None:
    done = plan(sweeper, "hydra/sweeper=sampled", *more)
    assert done.returncode == 0, done.stderr


def test_an_experiment_puts_nothing_in_its_place(sweeper: Path) -> None:
    (sweeper / "conf" / "experiment" / "theirs.yaml").write_text(
        "# @package _global_\nhydra: {sweeper: {sampler: {_target_: own.Mine}}}\n"
    )
    told = only_error(plan(sweeper, "hydra/sweeper=sampled", "experiment=theirs"))
    assert "hydra.sweeper: to run own.Mine" in told
    assert not ran(sweeper)


@pytest.mark.parametrize("text", ["{setup: [touch own.ran]}", '{comment: "a\\ntouch own.ran"}'])
def test_an_experiment_adds_no_lines_to_a_chosen_launcher(text: str, folder: Path) -> None:
    (folder / "conf" / "experiment" / "theirs.yaml").write_text(
        f"# @package _global_\nhydra:\n  launcher: {text}\n"
    )
    words = ("hydra/launcher=slurm", "engine.device=cpu", "experiment=theirs")
    told = only_error(plan(folder, *words))
    assert told.startswith("error: hydra.launcher.setup: a config file asks for hydra.launcher.se")


def test_lines_of_the_user_s_own_launcher_are_trusted(folder: Path) -> None:
    (folder / "conf" / "hydra" / "launcher" / "ours.yaml").write_text(
        "defaults: [slurm, _self_]\nsetup: [module load cuda]\n"
    )
    for words in (["hydra/launcher=ours"], ["hydra/launcher=slurm", "hydra.launcher.setup=[x]"]):
        done = plan(folder, *words, "engine.device=cpu")
        assert done.returncode == 0, done.stderr


def test_a_variable_is_enough_and_parts_of_names_are_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_ALLOW_CODE", "ow, own.inner")
    assert "code.allow=[own]" in refused("plan", MINE, cwd=folder)
    assert not ran(folder)
    monkeypatch.setenv("HARNESS_ALLOW_CODE", "other, own")
    assert harness("plan", MINE, cwd=folder).returncode == 0


def test_what_a_module_of_ours_imports_is_not_on_offer(folder: Path) -> None:
    told = refused("plan", "task.micro_units.scorer=harness.store.files.os.system", cwd=folder)
    assert "cannot import 'harness.store.files.os'" in told
    told = refused("plan", "task.micro_units.scorer=harness.run.stored.move.require", cwd=folder)
    assert "harness.run.stored.move.require" in told  # ours, but no scorer
    told = refused("plan", "task.micro_units.scorer=harness.store.folders.escape", cwd=folder)
    assert "harness.store.folders.escape is no part of the harness" in told


def test_an_experiment_cannot_allow_itself(folder: Path) -> None:
    mine = "method:\n  mine: {_target_: own.Mine}\n"
    told = experiment(folder, f"{mine}code:\n  allow: [own]")
    assert told.startswith("error: code.allow: a config file asks for code.allow=[own]")
    done = plan(folder, "experiment=theirs", "code.allow=[own]")
    assert done.returncode == 0, done.stderr
    assert ran(folder)


def test_nor_by_what_it_sweeps_over(folder: Path) -> None:
    text = "method:\n  mine: {_target_: own.Mine}\nhydra:\n  sweeper:\n    params:\n"
    (folder / "conf" / "experiment" / "theirs.yaml").write_text(
        f"# @package _global_\n{text}      code.allow: '[own]'\n"
    )
    told = only_error(plan(folder, "-m", "experiment=theirs"))
    assert told.startswith("error: code.allow: a config file asks for code.allow=")
    assert not ran(folder)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model: {trust_remote_code: true}", "model.trust_remote_code=true, which runs code"),
        ("eval: {backend: vllm, vllm_python: ./own.py}", "eval.vllm_python=./own.py, which runs"),
        ("hydra: {callbacks: {x: {_target_: own.Mine}}}", "hydra.callbacks: to run own.Mine"),
        (
            "hydra: {callbacks: {x: {_target_: hydra_plugins.x, y: [{_target_: own.Mine}]}}}",
            "hydra.callbacks: to run own.Mine",
        ),
        ("hydra: {launcher: {_target_: own.Mine}}", "hydra.launcher: to run own.Mine"),
        ("hydra: {job: {env_set: {PYTHONPATH: .}}}", "hydra.job.env_set: a config file sets"),
        ("hydra: {job_logging: {x: {class: own.Mine}}}", "hydra.job_logging=... with own"),
        ("hydra: {job_logging: {x: ext://own.Mine}}", "hydra.job_logging=... with ext://own"),
        ("defaults: [{override /hydra/launcher: joblib}]", "hydra/launcher=joblib"),
        ("model: {name: '${package:x,own.inner}'}", "add code.allow=[own]"),
    ],
)
def test_other_ways_to_have_code_run(text: str, told: str, folder: Path) -> None:
    assert told in experiment(folder, text)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("code.allow=own", "code.allow=own: name modules, code.allow=[my_module]"),
        ("code.allow=['../own']", "code.allow: '../own' is no module"),
        ("code.allow=[[own]]", "name modules"),
        ("code.alow=[own]", "did you mean 'code.allow'?"),
    ],
)
def test_a_wrong_word_is_one_line(word: str, told: str, folder: Path) -> None:
    assert told in refused("plan", word, cwd=folder)


def test_verbs_that_name_code_themselves_need_no_other_word(folder: Path) -> None:
    (folder / "answers.json").write_text('{"results": ["a"], "labels": ["a"]}')
    (folder / "own.py").write_text("def score(doc, prediction):\n    return {'accuracy': 1.0}\n")
    done = harness("score", "answers.json", "--scorer", "own.score", cwd=folder)
    assert done.returncode == 0, done.stderr
