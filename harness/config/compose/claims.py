"""What the user alone may ask for: that code runs which is neither the harness's nor a plug-in's,
and where a key is sent.

A config file, an experiment of somebody else's say, may choose among what is there; it cannot have
more code run, nor another host be told a secret, than the command line lets it.
"""

from collections.abc import Iterator
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from harness.config.allowed import KEY, allow, may_run
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


def heed(overrides: list[str]) -> None:
    """Have this process allow what the command line does. Raises ConfigError."""
    for item in _given(overrides).values():
        value = item.value() if item.key_or_group == KEY and not item.is_delete() else []
        listed = isinstance(value, list) and all(isinstance(name, str) for name in value)
        if not listed:
            raise ConfigError(f"{item.input_line}: name modules, {KEY}=[my_module]")
        allow(value)


def refuse_claims(composed: DictConfig, overrides: list[str]) -> None:
    """Raise ConfigError where a config file asks for what the command line does not."""
    given = _given(overrides)
    for key, (why, usual) in _USERS.items():
        section, _, name = key.partition(".")
        told: Any = OmegaConf.to_container(composed[section])
        value = told.get(name, usual[0])
        if key not in given and value not in usual:
            _refuse(f"{key}={_written(value)}", why)
    _refuse_hydra(composed.hydra, given)


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


def _refuse_hydra(hydra: DictConfig, given: dict[str, Override]) -> None:
    """Hydra calls what its own configuration names, and starts jobs with the variables in it."""
    for key in ("launcher", "sweeper", "callbacks"):
        for target in _targets(OmegaConf.to_container(hydra[key])):
            if not target.startswith(_HYDRAS) and not may_run(target.rpartition(".")[0]):
                raise ConfigError(
                    f"hydra.{key}: to run {target}, which is neither Hydra's nor the harness's, "
                    f"add {KEY}=[{target.rpartition('.')[0]}] to the command line"
                )
    chosen = hydra.runtime.choices.get("hydra/launcher") or "basic"
    if chosen != "basic" and "hydra/launcher" not in given:
        _refuse(f"hydra/launcher={chosen}")
    if hydra.job.env_set and not any(key.startswith("hydra.job.env_set") for key in given):
        raise ConfigError(
            "hydra.job.env_set: a config file sets variables, of which some have code run; set "
            "them where you start the command"
        )


def _targets(node: Any) -> Iterator[str]:
    """All that a part of Hydra's configuration would have called."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "_target_":
                yield str(value)
            else:
                yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)


def _given(overrides: list[str]) -> dict[str, Override]:
    return {str(item.key_or_group): item for item in parse(overrides)}
