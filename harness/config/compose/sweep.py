"""A sweep as the override lists of its jobs, in the order in which Hydra runs them."""

from itertools import product

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Glob, IntervalSweep, Override
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from harness.config.compose.claims import refuse_swept
from harness.config.compose.messages import explain
from harness.config.compose.remembered import compose_whole
from harness.config.places import conf_dir, option_names, parse
from harness.errors import ConfigError


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
            choices.append([f"{prefix}={value}" for value in swept_values(item, overrides)])
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
                raise ConfigError(explain(error, overrides)) from error
    given = {item.key_or_group for item in parse(overrides)}
    params = composed.hydra.sweeper.get("params") or {}
    swept = {name: values for name, values in params.items() if name not in given}
    for name in swept:
        refuse_swept(str(name))
    return [f"{name}={values}" for name, values in swept.items()]


def _with_hydra(overrides: list[Override]) -> DictConfig:
    lines = [str(item.input_line) for item in overrides]
    return compose_whole(lines)


def swept_values(item: Override, overrides: list[str]) -> list[str]:
    """The values of a sweep; of an interval (which a sweeper samples) its ends."""
    value = item.value()
    if isinstance(value, Glob):
        return value.filter(option_names(str(item.key_or_group), overrides))
    if isinstance(value, IntervalSweep):
        return [str(value.start), str(value.end)]
    return list(item.sweep_string_iterator())
