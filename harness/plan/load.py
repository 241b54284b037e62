"""Overrides -> the configuration of a run, the tasks of a bare folder read from it; no torch."""

from dataclasses import replace
from pathlib import Path

from harness.config import HarnessConfig
from harness.config.compose.compose import load as composed
from harness.data.guess import tasks_from_folder


def load(overrides: list[str]) -> HarnessConfig:
    """Compose overrides, and take the tasks of `sequence.from_folder` from its rows. Raises
    ConfigError or DataError."""
    return with_folder(composed(overrides))


def with_folder(config: HarnessConfig) -> HarnessConfig:
    """The configuration with the tasks of `sequence.from_folder`, itself where none is given."""
    sequence = config.sequence
    if sequence.from_folder is None:
        return config
    return replace(
        config,
        task=tasks_from_folder(sequence),
        data=replace(config.data, root=sequence.from_folder),
        sequence=replace(sequence, name=Path(sequence.from_folder).name),
    )
