"""Overrides -> the configuration of a run; what has another form than a run reads is put into it
(the tasks of a bare folder, a model in one file). No torch.

Converting a model takes long, so it is asked for by itself, after all that is wrong was told.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.config import HarnessConfig
from harness.config.compose.compose import load as composed
from harness.config.compose.folder_tasks import with_overrides
from harness.data.guess import tasks_from_folder
from harness.models.gguf.converted import converted, converted_before, is_gguf


def load(overrides: list[str]) -> HarnessConfig:
    """Compose overrides, and settle what they name. Raises ConfigError or DataError."""
    return settled(composed(overrides))


def settled(config: HarnessConfig) -> HarnessConfig:
    """The configuration with the tasks of `sequence.from_folder`, and with the folder of a model
    that is a GGUF file where it was converted before. Raises ConfigError or DataError."""
    return _with_model(_with_tasks(config), converted_before)


def with_converted(config: HarnessConfig) -> HarnessConfig:
    """The same configuration, or where its model is a GGUF file still the one with the model's
    folder, which is made for it. Raises ConfigError for a file that cannot be converted."""
    return _with_model(config, converted)


def _with_model(
    config: HarnessConfig, folder_of: Callable[[str, Path], Path | None]
) -> HarnessConfig:
    if not is_gguf(config.model.path):
        return config
    folder = folder_of(config.model.path, Path(config.store.root).absolute())
    if folder is None:
        return config
    return replace(config, model=replace(config.model, path=str(folder)))


def _with_tasks(config: HarnessConfig) -> HarnessConfig:
    sequence = config.sequence
    if sequence.from_folder is None:
        return config
    own = {name: keys for name, keys in sequence.overrides.items() if isinstance(keys, dict)}
    given = {name: str(keys["scorer"]) for name, keys in own.items() if "scorer" in keys}
    sequence = replace(sequence, scorers={**sequence.scorers, **given})
    return replace(
        config,
        task=with_overrides(tasks_from_folder(sequence), sequence.overrides),
        data=replace(config.data, root=sequence.from_folder),
        sequence=replace(sequence, name=Path(sequence.from_folder).name),
    )
