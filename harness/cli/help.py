"""`harness --help`: verbs, groups and every key with its type, default and meaning."""

from dataclasses import MISSING, fields
from typing import Any

from harness.cli.verbs import page
from harness.config import (
    AdapterConfig,
    BenchmarkConfig,
    CodeConfig,
    DataConfig,
    EditConfig,
    EngineConfig,
    EvalConfig,
    HarnessConfig,
    JudgeConfig,
    MethodConfig,
    ModelConfig,
    PromptingConfig,
    RunConfig,
    SequenceConfig,
    ShapeConfig,
    StoreConfig,
    SweepConfig,
    TaskConfig,
    TrainConfig,
)
from harness.config.fields import help_of
from harness.config.places import config_groups, option_names

USAGE = f"""\
usage: python -m harness [verb] [overrides] [-m] [--cfg job --resolve]

{page()}

`python -m harness VERB --help` explains a verb.

examples
  python -m harness seed=3 engine=zero2
  python -m harness -m seed=0,1,2
  python -m harness task=[micro_units,micro_stance] train.learning_rate=3e-4
  python -m harness --cfg job --resolve
"""

_SECTIONS = (
    ("", HarnessConfig),
    ("model.", ModelConfig),
    ("model.shape.", ShapeConfig),
    ("sequence.", SequenceConfig),
    ("task.<task>.", TaskConfig),
    ("method.", MethodConfig),
    ("method.adapter.", AdapterConfig),
    ("method.prompting.", PromptingConfig),
    ("method.edit.", EditConfig),
    ("suite.<suite>.benchmarks.<benchmark>.", BenchmarkConfig),
    ("judge.", JudgeConfig),
    ("engine.", EngineConfig),
    ("train.", TrainConfig),
    ("eval.", EvalConfig),
    ("data.", DataConfig),
    ("store.", StoreConfig),
    ("code.", CodeConfig),
    ("run.", RunConfig),
    ("sweep.", SweepConfig),
)


def help_text() -> str:
    """The whole help page."""
    lines = [USAGE, "config groups (group=option)"]
    for group in config_groups():
        options = option_names(group, [])
        if options:
            lines.append(f"  {group:<11} {', '.join(options)}")
    lines.append("\nkeys (key=value)")
    for prefix, section in _SECTIONS:
        for spec in fields(section):
            name = f"{prefix}{spec.name}"
            lines.append(f"  {name:<42} {help_of(spec)}{_default(spec)}")
    return "\n".join(lines)


def _default(spec: Any) -> str:
    if spec.default is MISSING or spec.default == "???":
        return ""
    value = getattr(spec.default, "value", spec.default)
    return f" [{'null' if value is None else value}]"
