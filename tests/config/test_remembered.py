"""What is remembered of a composition gives what Hydra itself composes, from the files of now."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from harness.config.compose import remembered
from harness.config.compose.compose import load
from harness.config.compose.remembered import chosen_options, compose_whole
from harness.config.places import conf_dir, read_yaml


@pytest.fixture(autouse=True)
def initialised() -> Iterator[None]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
        yield


def by_hydra(overrides: list[str]) -> DictConfig:
    return compose("config", overrides=overrides, return_hydra_config=True)


def content(composed: DictConfig) -> tuple[str, list[Any]]:
    """The text of all keys but Hydra's own, and of every node its types and flags."""
    with open_dict(composed):
        composed.pop("hydra")
    return OmegaConf.to_yaml(composed), list(_nodes(composed))


def _nodes(node: Any) -> Iterator[Any]:
    meta = node._metadata
    yield meta.key, meta.ref_type, meta.object_type, meta.optional, meta.flags
    if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
        for name in node:
            yield from _nodes(node._get_node(name))


RIGHT = [
    ["seed=2", "method=replay", "method.ratio=0.1"],
    ["method.name=x", "method=[replay,sfa]", "engine=zero2", "++method.replay.ratio=0.2"],
    ["++task.micro_units.epochs=3", "task=[micro_units,micro_stance]"],
    ["experiment=smoke", "~judge", "+train.task_epochs={micro_units: 2}"],
    ["task={}", "seed=1", "task=[micro_units]"],
    ["task=[micro_units]", "task.micro_units.epochs=3", "task={micro_units: {epochs: 2}}"],
    ["train.betas=[0.5,0.6]", "seed=1", "seed=2"],
    ["hydra.job.chdir=true", "seed=1"],
    ["model.path='${oc.env:HOME}'", "data.root=${store.root}"],
]
WRONG = [
    ["seed=x", "method=replay"],
    ["trian.epochs=3"],
    ["seed=1", "method=replai"],
    ["+seed=1"],
    ["~train.nothing"],
    ["nothing@here=1"],
    ["no/group=1", "seed=x"],
    ["seed=1,2"],
    ["seed=x", "judge@there=none"],
    ["method.adapter.rank=3"],
]


@pytest.mark.parametrize("overrides", RIGHT, ids=" ".join)
def test_it_is_what_hydra_composes(overrides: list[str]) -> None:
    wanted = by_hydra(overrides)
    choices = wanted.hydra.runtime.choices
    expected = content(wanted)
    for _ in range(2):
        found = compose_whole(overrides)
        assert found.hydra.runtime.choices == choices
        assert content(found) == expected


@pytest.mark.parametrize("overrides", RIGHT, ids=" ".join)
def test_its_options_are_those_that_hydra_lists(overrides: list[str]) -> None:
    loader = GlobalHydra.instance().config_loader()
    listed = loader.compute_defaults_list("config", overrides, RunMode.RUN).defaults
    for _ in range(2):
        assert list(chosen_options(overrides)) == [str(item.config_path) for item in listed]


@pytest.mark.parametrize("overrides", WRONG, ids=" ".join)
def test_it_refuses_as_hydra_does(overrides: list[str]) -> None:
    told = []
    for composing in (by_hydra, compose_whole, compose_whole):
        with pytest.raises(HydraException) as caught:
            composing(overrides)
        error: BaseException | None = caught.value
        causes = []
        while error is not None:
            causes.append((type(error), str(error), getattr(error, "full_key", None)))
            error = error.__cause__
        told.append(causes)
    assert told[0] == told[1] == told[2]


def test_options_are_composed_once_for_all_values(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered._of_options.cache_clear()
    asked = []
    monkeypatch.setattr(
        remembered, "compose", lambda *a, **k: asked.append(k["overrides"]) or compose(*a, **k)
    )
    for seed in range(3):
        assert compose_whole(["method=replay", f"seed={seed}"]).seed == seed
    assert asked == [["method=replay"]]


def test_what_is_handed_out_is_a_copy() -> None:
    with open_dict(compose_whole([])) as changed:
        changed.train.betas[0] = 7.0
        changed.mine = 1
    assert content(compose_whole([])) == content(by_hydra([]))


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    """Also where neither its size nor its time tells so."""
    file = tmp_path / "method" / "mine.yaml"
    file.parent.mkdir()
    asked = [f"hydra.searchpath=[file://{tmp_path}]", "method=mine"]
    for rank in (3, 4):
        file.write_text(f"defaults: [lora_seqft]\nname: mine\nadapter: {{rank: {rank}}}\n")
        os.utime(file, ns=(10**18, 10**18))
        assert load(asked).method.adapter.rank == rank
        assert read_yaml(file).adapter.rank == rank


def test_a_new_file_that_hides_another_is_found(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        (folder / "method").mkdir(parents=True)
    asked = ["hydra.searchpath=[{}]".format(",".join(f"file://{f}" for f in folders)), "method=a"]
    (folders[1] / "method" / "a.yaml").write_text("name: second\nschedule: none\n")
    assert compose_whole(asked).method.name == "second"
    (folders[0] / "method" / "a.yaml").write_text("name: first\nschedule: none\n")
    assert compose_whole(asked).method.name == "first"


def test_a_variable_that_a_file_names_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "chosen.yaml").write_text(
        "# @package _global_\ndefaults:\n  - /method@extra: ${oc.env:CHOSEN_METHOD}\n"
    )
    asked = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=chosen"]
    for name in ("sfa", "ewc"):
        monkeypatch.setenv("CHOSEN_METHOD", name)
        with pytest.raises(HydraException, match=f"'method/{name}'"):
            compose_whole(asked)


def test_values_are_read_again_from_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for root in ("one", "two"):
        monkeypatch.setenv("TRACE_DATA", root)
        assert load(["data=trace_500", "sequence=trace"]).data.root.startswith(root)


def test_a_syntax_error_names_its_file(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("a: [1\n")
    with pytest.raises(Exception, match="expected ',' or ']'") as caught:
        OmegaConf.load(file)
    with pytest.raises(type(caught.value)) as again:
        read_yaml(file)
    assert str(again.value) == str(caught.value)
