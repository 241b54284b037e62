"""Hydra overrides -> a typed, complete `HarnessConfig`; every mistake becomes one line.

Imports hydra but never torch. The command line composes every job of a sweep here before Hydra
starts any of them.
"""

import re
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Glob, IntervalSweep, Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, ListConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from harness import config as sections
from harness.conf import PACKAGE, conf_dir, option_names, parse
from harness.config import HarnessConfig
from harness.data.guess import tasks_from_folder
from harness.errors import ConfigError, first_line, suggest
from harness.method_config import check_parts, check_stack, name_stack, split_method
from harness.methods.loading import load_object

OmegaConf.register_new_resolver("package", lambda path: str(PACKAGE / path), replace=True)
ConfigStore.instance().store(name="schema", node=HarnessConfig)


def compose_job(overrides: list[str]) -> DictConfig:
    """Compose one job. Raises ConfigError, in one line, for anything that Hydra refuses."""
    GlobalHydra.instance().clear()
    _refuse_odd_choices(overrides)
    _refuse_tasks_beside_a_folder(overrides)
    with initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
        try:
            composed = compose("config", overrides=overrides, return_hydra_config=True)
            _refuse_repeats(overrides, composed.hydra.runtime.choices)
            check_stack(overrides)
            with flag_override(composed, ["struct", "readonly"], False):
                del composed["hydra"]
            return composed
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(_explain(error, overrides)) from error
        except YAMLError as error:
            raise ConfigError(f"a config file is not valid YAML: {_one_line(error)}") from error


def _refuse_odd_choices(overrides: list[str]) -> None:
    """The option of a group is a name, or a list of names."""
    for item in parse(overrides):
        value = item.value()
        if item.key_or_group not in _groups() or item.is_delete():
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
        chosen = conf_dir() / group / f"{choices.get(group)}.yaml"
        defaults = OmegaConf.load(chosen).get("defaults", []) if chosen.is_file() else []
        for entry in defaults:
            lists += list(entry.items()) if OmegaConf.is_dict(entry) else []
    for name, value in lists:
        items = [str(item) for item in value] if isinstance(value, list | ListConfig) else []
        repeated = next((item for item in items if items.count(item) > 1), None)
        group = str(name).split()[-1].lstrip("/")
        if repeated is not None and group in _groups():
            hint = "; to revisit a task use sequence.tasks with sequence.recurrence=true"
            more = hint if group == "task" else ""
            raise ConfigError(f"{group}: '{repeated}' is listed twice{more}")


def to_config(composed: DictConfig, overrides: list[str]) -> HarnessConfig:
    """Resolve interpolations, demand every mandatory key and build the dataclasses. `overrides`
    are those that were composed."""
    with flag_override(composed, ["struct", "readonly"], False):
        name_stack(composed, overrides)
    check_parts(composed.method, overrides)
    try:
        missing = sorted(OmegaConf.missing_keys(composed))
        if missing:
            raise ConfigError(_no_value(missing[0]))
        OmegaConf.resolve(composed)
        _refuse_additions(composed, "")
        config = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        unset = re.search(r"Environment variable '(\w+)' not found", str(error))
        if unset:
            told = f"the environment variable {unset[1]} is not set; set it, or {error.full_key}="
            raise ConfigError(f"{error.full_key}: {told}...") from error
        needed = re.search(r"Missing mandatory value: ([\w.]+)", str(error))
        if needed:
            raise ConfigError(_no_value(needed[1])) from error
        raise ConfigError(first_line(error)) from error
    config.method = split_method(config.method)
    if config.sequence.from_folder is not None:
        config.task = tasks_from_folder(config.sequence)
        config.data.root = config.sequence.from_folder
        config.sequence.name = Path(config.sequence.from_folder).name
    return config


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


def _no_value(key: str) -> str:
    return f"{key}: no value; set it, for example {key}=..."


def load(overrides: list[str]) -> HarnessConfig:
    """Compose overrides into the typed configuration."""
    return to_config(compose_job(overrides), overrides)


def expand(overrides: list[str], multirun: bool) -> list[list[str]]:
    """The override lists of every job of a sweep (one list without `--multirun`)."""
    choices: list[list[str]] = []
    if multirun:
        overrides = [*sweep_parameters(overrides), *overrides]
    for item in parse(overrides):
        if item.is_sweep_override():
            if not multirun:
                raise ConfigError(f"{item.input_line}: several values need -m (a sweep)")
            prefix = item.get_key_element()
            choices.append([f"{prefix}={value}" for value in _swept(item, overrides)])
        else:
            choices.append([str(item.input_line)])
    return [list(job) for job in product(*choices)]


def sweep_parameters(overrides: list[str]) -> list[str]:
    """What the configuration itself sweeps over (`hydra.sweeper.params`), as overrides; what the
    command line sets is the command line's."""
    fixed = [item for item in parse(overrides) if not item.is_sweep_override()]
    # A key may be one of an option that is swept over; then the options alone tell.
    options = [item for item in fixed if "." not in str(item.key_or_group)]
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
        try:
            composed = _with_hydra(fixed)
        except (HydraException, OmegaConfBaseException):
            try:
                composed = _with_hydra(options)
            except (HydraException, OmegaConfBaseException) as error:
                raise ConfigError(_explain(error, overrides)) from error
    given = {item.key_or_group for item in parse(overrides)}
    params = composed.hydra.sweeper.get("params") or {}
    return [f"{name}={values}" for name, values in params.items() if name not in given]


def _with_hydra(overrides: list[Override]) -> DictConfig:
    lines = [str(item.input_line) for item in overrides]
    return compose("config", overrides=lines, return_hydra_config=True)


def _explain(error: Exception, overrides: list[str]) -> str:
    cause = error
    while cause.__cause__ is not None and not isinstance(cause, MissingConfigException):
        cause = cause.__cause__
    if isinstance(cause, MissingConfigException) and cause.missing_cfg_file:
        group, _, name = str(cause.missing_cfg_file).rpartition("/")
        options = option_names(group, overrides)
        below = [option for option in options if option.rpartition("/")[2] == name]
        close = f"; did you mean '{below[0]}'?" if below else suggest(name, options)
        return f"unknown {group or 'config'} '{name}'{close}"
    text = _one_line(error)
    group = re.search(r"Could not override '([^']+)'. No match in the defaults list", text)
    if group:
        return f"unknown config group '{group[1]}'" + suggest(group[1], _groups())
    unknown = re.search(r"Could not override '([^']+)'", text)
    adapted = "method.adapter.rank" in known_keys(overrides) if unknown else False
    if unknown and unknown[1].startswith("method.adapter") and not adapted:
        return f"{unknown[1]}: this method trains no adapter; use method=lora_seqft"
    if unknown and "Key" in str(cause):
        return _unknown_key(unknown[1], overrides)
    nested = re.search(r"In '([^']+)': .* Key '([^']+)' not in '(\w+)'", text)
    if nested:
        return f"{nested[1]}: unknown key '{nested[2]}'" + suggest(nested[2], _fields(nested[3]))
    return _value_error(cause, overrides)


def _fields(kind: str) -> list[str]:
    """The keys of a class of the configuration, by its name."""
    found = getattr(sections, kind, None)
    return [spec.name for spec in fields(found)] if found else []


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _value_error(cause: Exception, overrides: list[str]) -> str:
    """A wrong value: the first line of OmegaConf's message, led by the full key."""
    where = getattr(cause, "full_key", None)
    line = first_line(cause)
    bad_key = re.search(r"Key '([^']+)' not in '(\w+)'", line)
    if bad_key:
        return _unknown_key(str(where or bad_key[1]), overrides)
    return f"{where}: {line}" if where else line


def _unknown_key(name: str, overrides: list[str]) -> str:
    keys = known_keys(overrides)
    if re.fullmatch(r"method\.\w+\.\w+", name) and name in keys:
        return f"{name}: the preset leaves it to its class; to set it write +{name}=<value>"
    if name in keys:
        return f"{name}: new entries of a mapping need a plus sign, +{name}.<entry>=<value>"
    parts = name.split(".")
    tasks = sorted({key.split(".")[1] for key in keys if key.startswith("task.")})
    if parts[0] == "task" and len(parts) > 2 and parts[1] not in tasks:
        told = ", ".join(tasks)
        return f"{name}: '{parts[1]}' is not among the tasks of this run; they are: {told}"
    if parts[0] == "method":
        return f"unknown key '{name}'" + _close_parameter(name, keys)
    return f"unknown key '{name}'" + suggest(name, keys)


def _close_parameter(name: str, keys: list[str]) -> str:
    """A suggestion by the last word alone (`method.` is common to all): beside the key, else
    anywhere in the method."""
    parent, _, word = name.rpartition(".")
    own = [key for key in keys if key.startswith("method.")]
    for chosen in ([key for key in own if key.rpartition(".")[0] == parent], own):
        tails = {key.rpartition(".")[2]: key for key in reversed(chosen)}
        close = get_close_matches(word, tails, n=1, cutoff=0.7)
        if close:
            return f"; did you mean '{tails[close[0]]}'?"
    return "; `python -m harness method <name>` lists what a method has"


def _swept(item: Override, overrides: list[str]) -> list[str]:
    """The values of a sweep; of an interval (which a sweeper samples) its ends."""
    value = item.value()
    if isinstance(value, Glob):
        return value.filter(option_names(str(item.key_or_group), overrides))
    if isinstance(value, IntervalSweep):
        return [str(value.start), str(value.end)]
    return list(item.sweep_string_iterator())


def known_keys(overrides: list[str]) -> list[str]:
    """Every dotted key of a composition with the groups chosen as in the overrides, and the
    parameters of its strategies and edits."""
    groups = {*_groups(), "hydra.searchpath"}
    chosen = [str(i.input_line) for i in parse(overrides) if str(i.key_or_group) in groups]
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
        composed = compose("config", overrides=chosen)
    return [*_dotted(composed, ""), *_parameters(composed.method)]


def _parameters(method: DictConfig) -> list[str]:
    found = []
    for name in method:
        value = method._get_node(name)
        if isinstance(value, DictConfig) and "_target_" in value:
            kind = load_object(str(value._target_), f"method.{name}._target_")
            found += [f"method.{name}.{spec.name}" for spec in fields(kind)]
    return found


def _dotted(node: Any, prefix: str) -> list[str]:
    found: list[str] = []
    for name in node:
        path = f"{prefix}{name}"
        found.append(path)
        child = node._get_node(name)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
            found += _dotted(child, f"{path}.")
    return found


def _groups() -> list[str]:
    return sorted(entry.name for entry in conf_dir().iterdir() if entry.is_dir())


# Overrides that change where or how fast something runs or which cells are scored, or that are
# columns of the table themselves.
_NOT_A_VARIANT = (
    "seed",
    "experiment",
    "protocol",
    "model",
    "sequence",
    "method",
    "engine",
    "store",
    "data",
    "store.root",
    "store.results",
    "data.root",
    "data.suite_root",
    "eval.past",
    "eval.future",
    "eval.stage0",
    "eval.suite_stages",
)


def variant_of(overrides: list[str]) -> str:
    """The overrides that tell two runs of one method apart, as text for the tables."""
    told = [
        str(item.input_line)
        for item in parse(overrides)
        if item.key_or_group not in _NOT_A_VARIANT
        and not str(item.key_or_group).startswith(("engine.", "hydra"))
    ]
    return " ".join(sorted(told))
