"""What the user alone may ask for: that code runs which is neither the harness's nor a plug-in's,
and where a key is sent.

A config file, an experiment of somebody else's say, may choose among what is there; it cannot have
more code run, nor another host be told a secret, than the command line lets it.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.config.allowed import KEY, allow, may_run
from harness.config.compose.remembered import compose_whole
from harness.config.hosts import leads_here
from harness.config.places import parse
from harness.errors import ConfigError

# Keys that only the user sets, why, and what config files may say.
_CODE, _SENDS = "which runs code that is not the harness's", "where the judge's key is sent"
_USERS: dict[str, tuple[str, tuple[Any, ...]]] = {
    KEY: (_CODE, ([],)),
    "model.trust_remote_code": (_CODE, (False,)),
    "eval.vllm_python": (_CODE, (None,)),
    "judge.base_url": (_SENDS, (None, "https://api.openai.com/v1")),
    "judge.key_variable": (_SENDS, ("JUDGE_API_KEY",)),
    "judge.plain_http": (_SENDS, (False,)),
}
# Where Hydra's own launchers, sweepers and callbacks live, and those of packages for it.
_HYDRAS = ("hydra._internal.core_plugins.", "hydra.experimental.callbacks.", "hydra_plugins.")
# What Hydra's own configurations of logging name.
_LOGGERS = ("logging.StreamHandler", "logging.FileHandler", "colorlog.ColoredFormatter")
_STREAMS = ("ext://sys.stdout", "ext://sys.stderr")


def heed(overrides: list[str]) -> None:
    """Have this process allow what the command line does. Raises ConfigError."""
    for key, value in _given(overrides).items():
        listed = isinstance(value, list) and all(isinstance(name, str) for name in value)
        if key == KEY and not listed:
            raise ConfigError(f"{KEY}={_written(value)}: name modules, {KEY}=[my_module]")
        if key == KEY:
            allow(value)


def refuse_claims(composed: DictConfig, overrides: list[str]) -> None:
    """Raise ConfigError where a config file asks for what the command line does not, nor an option
    that it chose by name."""
    given = _given(overrides)
    chosen = cache(lambda: _chosen_alone(overrides))
    for key, (why, usual) in _USERS.items():
        value = _value(composed, key, usual)
        if key in given or value in usual or (why == _SENDS and _stays_here(composed)):
            continue
        if why == _SENDS and "judge" in given and value == _value(chosen(), key, usual):
            continue
        _refuse(f"{key}={_written(value)}", why)
    _refuse_hydra(composed.hydra, given, lambda: chosen().hydra)


def _value(composed: DictConfig, key: str, usual: tuple[Any, ...]) -> Any:
    section, _, name = key.partition(".")
    told: Any = OmegaConf.to_container(composed[section])
    return told.get(name, usual[0])


def _stays_here(composed: DictConfig) -> bool:
    """Does the judge answer on this machine? Then its key goes nowhere."""
    return leads_here(_value(composed, "judge.base_url", (None,)))


def _chosen_alone(overrides: list[str]) -> DictConfig:
    """What the command line says of Hydra and of the judge, without what config files that it chose
    for something else say."""
    ours = [
        str(item.input_line)
        for item in parse(overrides)
        if str(item.key_or_group).partition(".")[0].partition("/")[0] in ("hydra", "judge")
    ]
    return compose_whole(ours)


def refuse_swept(key: str) -> None:
    """Raise ConfigError for a key that a config file sweeps over and may not even set."""
    plain = key.lstrip("+~")
    if plain in _USERS:
        _refuse(f"{plain}=...", _USERS[plain][0])


def _written(value: Any) -> str:
    """As an override has it."""
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refuse(word: str, why: str = _CODE) -> None:
    key = word.partition("=")[0]
    raise ConfigError(
        f"{key}: a config file asks for {word}, {why}; if you trust it, add that to the command "
        "line"
    )


def _refuse_hydra(
    hydra: DictConfig, given: dict[str, Any], chosen: Callable[[], DictConfig]
) -> None:
    """Hydra calls what its own configuration names, and starts jobs with the variables in it.
    chosen: what it is without the config files that were chosen for something else."""
    for key in ("launcher", "sweeper", "callbacks"):
        for target in _strange(OmegaConf.to_container(hydra[key])):
            if target not in set(_strange(OmegaConf.to_container(chosen()[key]))):
                raise ConfigError(
                    f"hydra.{key}: to run {target}, which is neither Hydra's nor the harness's, "
                    f"add {KEY}=[{target.rpartition('.')[0]}] to the command line"
                )
    launcher = hydra.runtime.choices.get("hydra/launcher") or "basic"
    if launcher != "basic" and "hydra/launcher" not in given:
        _refuse(f"hydra/launcher={launcher}")
    if hydra.job.env_set and not any(key.startswith("hydra.job.env_set") for key in given):
        raise ConfigError(
            "hydra.job.env_set: a config file sets variables, of which some have code run; set "
            "them where you start the command"
        )
    lines = set(_lines(OmegaConf.to_container(hydra.launcher)))
    if lines and lines - set(_lines(OmegaConf.to_container(chosen().launcher))):
        _refuse("hydra.launcher.setup=[...]")
    for key in ("job_logging", "hydra_logging"):
        odd = set(_loggers(OmegaConf.to_container(hydra[key])))
        if odd and odd - set(_loggers(OmegaConf.to_container(chosen()[key]))):
            _refuse(f"hydra.{key}=... with {min(odd)}")


def _strange(node: Any) -> Iterator[str]:
    """What a part of Hydra's would have called that is neither Hydra's nor allowed."""
    for target in _targets(node):
        if not target.startswith(_HYDRAS) and not may_run(target.rpartition(".")[0]):
            yield target


def _lines(launcher: Any) -> Iterator[str]:
    """What a launcher of a cluster has a shell run: its setup, and what breaks out of a line."""
    yield from map(str, launcher.get("setup") or [])
    nodes = [launcher]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict | list):
            nodes += [*node, *node.values()] if isinstance(node, dict) else node
        elif set(str(node)) & set("\r\n"):
            yield str(node)


def _loggers(node: Any) -> Iterator[str]:
    """What a configuration of logging would have called or looked up, beside the ordinary."""
    for name, value in _leaves(node):
        called = name in ("class", "()") and value not in _LOGGERS
        if called or ("://" in value and value not in _STREAMS):
            yield value


def _targets(node: Any) -> Iterator[str]:
    """All that a part of Hydra's configuration would have called."""
    return (value for name, value in _leaves(node) if name == "_target_")


def _leaves(node: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The values in a configuration, each with its own key, or that of the list it is in."""
    if isinstance(node, dict | list):
        named = node.items() if isinstance(node, dict) else ((name, value) for value in node)
        for key, value in named:
            yield from _leaves(value, str(key))
    else:
        yield name, str(node)


def _given(overrides: list[str]) -> dict[str, Any]:
    """Key -> value of what the command line says, `code={allow: [x]}` as `code.allow` as well; of
    what it takes away an empty list."""
    found: dict[str, Any] = {}
    for item in parse(overrides):
        key, value = str(item.key_or_group), [] if item.is_delete() else item.value()
        found[key] = value
        if isinstance(value, dict):
            found |= {f"{key}.{name}": inner for name, inner in value.items()}
    return found
