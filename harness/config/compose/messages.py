"""What Hydra and OmegaConf refuse, told in one line that names the key and what would be right."""

import re
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import MissingConfigException
from omegaconf import DictConfig

from harness import config as sections
from harness.config.compose.remembered import compose_whole
from harness.config.compose.schema import Composed
from harness.config.parts import Kind, load_part
from harness.config.places import conf_dir, config_groups, option_names, parse
from harness.config.plugins import broken
from harness.errors import first_line, suggest

# Where a key is looked for of which the last word alone is right, in this order; and what other
# programs call keys of ours.
_SECTIONS = ("train", "engine", "eval", "model", "sequence", "data", "store", "run")
_USUAL = {
    "lr": "learning_rate", "bs": "batch_size", "wd": "weight_decay", "warmup": "warmup_ratio",
    "grad_clip": "clip", "max_grad_norm": "clip", "num_epochs": "epochs", "steps": "max_steps",
    "num_train_epochs": "epochs", "per_device_train_batch_size": "micro_batch_size",
    "adam_betas": "betas", "adam_epsilon": "eps", "lr_scheduler_type": "schedule",
    "gpus": "ranks", "num_gpus": "ranks", "nproc_per_node": "ranks", "zero": "zero_stage",
    "dtype": "precision", "bf16": "precision", "model_name_or_path": "path",
}  # fmt: skip


def explain(error: Exception, overrides: list[str]) -> str:
    cause = error
    while cause.__cause__ is not None and not isinstance(cause, MissingConfigException):
        cause = cause.__cause__
    if isinstance(cause, MissingConfigException) and cause.missing_cfg_file:
        group, _, name = str(cause.missing_cfg_file).rpartition("/")
        if group == "hydra/launcher" and name.startswith("submitit"):
            return f"hydra/launcher={name} needs a package: pip install 'trace-harness[slurm]'"
        options = option_names(group, overrides)
        below = [option for option in options if option.rpartition("/")[2] == name]
        close = f"; did you mean '{below[0]}'?" if below else suggest(name, options)
        return f"unknown {group or 'config'} '{name}'{close}{broken()}"
    text = one_line(error)
    group = re.search(r"Could not override '([^']+)'. No match in the defaults list", text)
    if group:
        return f"unknown config group '{group[1]}'" + suggest(group[1], config_groups())
    unknown = re.search(r"Could not override '([^']+)'", text)
    adapted = "method.adapter.rank" in known_keys(overrides) if unknown else False
    if unknown and unknown[1].startswith("method.adapter") and not adapted:
        return f"{unknown[1]}: this method trains no adapter; use method=lora_seqft"
    if unknown and "Key" in str(cause):
        return _unknown_key(unknown[1], overrides)
    nested = re.search(r"In '([^']+)': .* Key '([^']+)' not in '(\w+)'", text)
    if nested:
        return f"{nested[1]}: unknown key '{nested[2]}'" + suggest(nested[2], keys_of(nested[3]))
    return _value_error(cause, overrides)


def keys_of(kind: str) -> list[str]:
    """The keys of a class of the configuration, by its name."""
    found = getattr(sections, kind, Composed if kind == Composed.__name__ else None)
    return [spec.name for spec in fields(found)] if found else []


def one_line(error: Exception) -> str:
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
    return f"unknown key '{name}'" + (_elsewhere(name, keys) or suggest(name, keys))


def _elsewhere(name: str, keys: list[str]) -> str:
    """A key of another section, or of the name that other programs have for it."""
    word = name.rpartition(".")[2].lower()
    wanted = (f"{section}.{_USUAL.get(word, word)}" for section in _SECTIONS)
    meant = next((key for key in wanted if key in keys), None)
    return f"; did you mean '{meant}'?" if meant else ""


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


def known_keys(overrides: list[str]) -> list[str]:
    """Every dotted key of a composition with the groups chosen as in the overrides, and the
    parameters of its strategies and edits."""
    known = {*config_groups(), "hydra.searchpath"}
    chosen = [str(i.input_line) for i in parse(overrides) if str(i.key_or_group) in known]
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(conf_dir()), version_base="1.3"):
        composed = compose_whole(chosen)
    own = [key for key in _dotted(composed, "") if key.partition(".")[0] != "hydra"]
    return [*own, *_parameters(composed.method)]


def _parameters(method: DictConfig) -> list[str]:
    found = []
    for name in method:
        value = method._get_node(name)
        if isinstance(value, DictConfig) and "_target_" in value:
            where = f"method.{name}._target_"
            kind = load_part(str(value._target_), where, Kind.strategy, Kind.edit)
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
