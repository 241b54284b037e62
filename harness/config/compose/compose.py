"""Hydra overrides -> a typed, complete `HarnessConfig`; every mistake becomes one line.

Imports hydra but never torch. The command line composes every job of a sweep here before Hydra
starts any of them.
"""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from harness.config import HarnessConfig
from harness.config.compose.claims import heed, refuse_claims
from harness.config.compose.folder_tasks import with_folder_tasks
from harness.config.compose.messages import explain, one_line
from harness.config.compose.method_group import check_parts, check_stack, name_stack, split_method
from harness.config.compose.own_model import named_after, with_own_model
from harness.config.compose.remembered import compose_whole
from harness.config.compose.schema import Composed
from harness.config.compose.search_path import refuse_chosen_clashes
from harness.config.machine import BESIDE_IS_HERE
from harness.config.places import (
    conf_dir,
    config_groups,
    option_files,
    package_file,
    parse,
    read_yaml,
)
from harness.config.secrets import refuse_secrets
from harness.errors import ConfigError, first_line, suggest

_BASIC = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
)
ConfigStore.instance().store(name="schema", node=Composed)

OmegaConf.register_new_resolver("package", package_file, replace=True)
OmegaConf.register_new_resolver("named_after", named_after, replace=True)


def compose_job(overrides: list[str]) -> DictConfig:
    """Compose one job. Raises ConfigError, in one line, for anything that Hydra refuses."""
    return _compose(overrides)[0]


def implied(overrides: list[str]) -> list[str]:
    """The overrides as Hydra has to be given them: with the options that they imply."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
        return with_own_model(with_folder_tasks(overrides))


def _compose(overrides: list[str]) -> tuple[DictConfig, bool]:
    """A job, and whether it asks Hydra for more than to be composed."""
    GlobalHydra.instance().clear()
    heed(overrides)
    _refuse_odd_choices(overrides)
    _refuse_tasks_beside_a_folder(overrides)
    with initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
        try:
            refuse_chosen_clashes(overrides)
            whole = with_own_model(with_folder_tasks(overrides))
            composed = compose_whole(whole)
            _refuse_repeats(overrides, composed.hydra.runtime.choices)
            check_stack(overrides)
            refuse_claims(composed, overrides)
            asks = _asks_hydra(composed.hydra, overrides)
            _refuse_other_ranks(composed)
            with flag_override(composed, ["struct", "readonly"], False):
                del composed["hydra"]
            return composed, asks
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(explain(error, overrides)) from error
        except YAMLError as error:
            raise ConfigError(f"a config file is not valid YAML: {one_line(error)}") from error


def _asks_hydra(hydra: DictConfig, overrides: list[str]) -> bool:
    """Does a job ask for a launcher, a sweeper, callbacks or variables of Hydra's?"""
    keys = [str(item.key_or_group) for item in parse(overrides)]
    written = any(key.startswith("hydra") and key != "hydra.searchpath" for key in keys)
    basic = (hydra.launcher.get("_target_"), hydra.sweeper.get("_target_")) == _BASIC
    job = hydra.job
    return bool(written or not basic or hydra.callbacks or job.env_set or job.env_copy or job.chdir)


def _refuse_other_ranks(composed: DictConfig) -> None:
    """Where a launcher starts several tasks for a job, each is a rank, known beforehand."""
    launcher = composed.hydra.launcher
    nodes, each = launcher.get("nodes") or 1, launcher.get("tasks_per_node") or 1
    if nodes * each > 1 and "slurm" not in str(launcher.get("_target_")).lower():
        raise ConfigError(
            f"hydra.launcher.nodes={nodes}, hydra.launcher.tasks_per_node={each}: several tasks "
            "for a job are SLURM's; set both to 1"
        )
    if nodes * each > 1 and composed.engine.ranks != nodes * each:
        raise ConfigError(
            f"hydra.launcher.nodes={nodes} times hydra.launcher.tasks_per_node={each} tasks are "
            f"started for a job, one per rank; say engine.ranks={nodes * each}"
        )
    if nodes * each > 1 and composed.eval.beside > 0:
        raise ConfigError(f"eval.beside={composed.eval.beside}: {BESIDE_IS_HERE}")


def _refuse_odd_choices(overrides: list[str]) -> None:
    """The option of a group is a name, or a list of names."""
    for item in parse(overrides):
        value = item.value()
        if item.key_or_group not in config_groups() or item.is_delete():
            continue
        names = value if isinstance(value, list) else [value]
        if not all(isinstance(name, str | int | float) and str(name).strip() for name in names):
            raise ConfigError(f"{item.input_line}: give the name of an option")


def _refuse_tasks_beside_a_folder(overrides: list[str]) -> None:
    given = {item.key_or_group: item.value() for item in parse(overrides)}
    if given.get("sequence.from_folder") is not None and "task" in given:
        raise ConfigError(
            "task: with sequence.from_folder the tasks are those of the folder; to choose among "
            "them or order them use sequence.tasks=[a,b]"
        )


def _refuse_repeats(overrides: list[str], choices: Any) -> None:
    """Hydra merges a group option that is listed twice into one; a user meant something else."""
    lists = [(item.key_or_group, item.value()) for item in parse(overrides)]
    for group in ("sequence", "experiment"):
        chosen = option_files(group, overrides).get(str(choices.get(group)))
        defaults = read_yaml(chosen).get("defaults", []) if chosen else []
        for entry in defaults:
            lists += list(entry.items()) if OmegaConf.is_dict(entry) else []
    for name, value in lists:
        items = [str(item) for item in value] if isinstance(value, list | ListConfig) else []
        repeated = next((item for item in items if items.count(item) > 1), None)
        group = str(name).split()[-1].lstrip("/")
        if repeated is not None and group in config_groups():
            hint = "; to revisit a task use sequence.tasks with sequence.recurrence=true"
            more = hint if group == "task" else ""
            raise ConfigError(f"{group}: '{repeated}' is listed twice{more}")


def to_config(composed: DictConfig, overrides: list[str]) -> HarnessConfig:
    """Resolve interpolations, demand every mandatory key and build the dataclasses. `overrides`
    are those that were composed."""
    with flag_override(composed, ["struct", "readonly"], False):
        name_stack(composed, overrides)
    check_parts(composed.method, overrides)
    if missing := sorted(_missing(composed, "")):
        raise ConfigError(_no_value(missing[0]))
    try:
        _resolve(composed)
        _refuse_additions(composed, "")
        refuse_secrets(OmegaConf.to_container(composed, enum_to_str=True))
        found: Any = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        by_resolver = re.search(r"^ConfigError raised while resolving \w+: (.*)", str(error))
        if by_resolver:
            raise ConfigError(f"{error.full_key}: {by_resolver[1]}") from error
        unset = re.search(r"Environment variable '(\w+)' not found", str(error))
        if unset:
            told = f"the environment variable {unset[1]} is not set; set it, or {error.full_key}="
            raise ConfigError(f"{error.full_key}: {told}...") from error
        needed = re.search(r"Missing mandatory value: ([\w.]+)", str(error))
        if needed:
            raise ConfigError(_no_value(needed[1])) from error
        raise ConfigError(first_line(error)) from error
    return HarnessConfig(**{**vars(found), "method": split_method(found.method)})


def _resolve(composed: DictConfig) -> None:
    """Replace references by what they refer to; an error says at which key."""
    try:
        OmegaConf.resolve(composed)
    except OmegaConfBaseException:
        OmegaConf.missing_keys(composed)  # follows references as well, and knows where it is
        raise


def _refuse_additions(node: Any, prefix: str) -> None:
    """A plus sign adds entries to mappings, not keys to what has fixed ones."""
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing():
        return
    kind = OmegaConf.get_type(node)
    known = [spec.name for spec in fields(kind)] if is_dataclass(kind) else None
    for name in node:
        if known is not None and name not in known:
            raise ConfigError(f"unknown key '{prefix}{name}'" + suggest(str(name), known))
        _refuse_additions(node._get_node(name), f"{prefix}{name}.")


def _missing(node: Any, prefix: str) -> Iterator[str]:
    """The mandatory keys without a value. `OmegaConf.missing_keys` follows every reference on the
    way, which takes as long as resolving them all."""
    if not OmegaConf.is_config(node) or node._is_none() or node._is_interpolation():
        return
    listed = OmegaConf.is_list(node)
    for name in range(len(node)) if listed else node:
        child, key = node._get_node(name), f"{prefix}[{name}]" if listed else f"{prefix}.{name}"
        if child._is_missing():
            yield key.removeprefix(".")
        else:
            yield from _missing(child, key)


def _no_value(key: str) -> str:
    return f"{key}: no value; set it, for example {key}=..."


def load_job(overrides: list[str]) -> tuple[HarnessConfig, bool]:
    """As `load`, and whether the job asks Hydra for more than to be composed."""
    composed, asks = _compose(overrides)
    return to_config(composed, overrides), asks


def load(overrides: list[str]) -> HarnessConfig:
    """Compose overrides into the typed configuration, as far as it follows from them alone; the
    tasks of `sequence.from_folder` are read by `harness.plan.load`."""
    return load_job(overrides)[0]
