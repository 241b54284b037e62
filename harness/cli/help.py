"""`harness --help`: verbs, groups and every key with its type, default and meaning."""

from dataclasses import MISSING, fields
from typing import Any

from harness.config import (
    AdapterConfig,
    BenchmarkConfig,
    DataConfig,
    EditConfig,
    EngineConfig,
    EvalConfig,
    HarnessConfig,
    JudgeConfig,
    MethodConfig,
    ModelConfig,
    PromptingConfig,
    SequenceConfig,
    StoreConfig,
    TaskConfig,
    TrainConfig,
)
from harness.config.places import conf_dir, option_names

USAGE = """\
usage: python -m harness [verb] [overrides] [-m] [--cfg job --resolve]

  run      train and score what is missing of a run (the default verb)
  plan     print the nodes of a run, which are done, and what is left to do
  method   the presets, and a preset's paper, equations and parameters (method sfa)
  metrics  OP, BWT and the rest from a CSV of scores (metrics --help)
  score    the scores of a task for a file of predictions (score --help)
  tables   write all tables and plots from the tidy table (tables --help)
  data     check, fetch and unpack the data of a benchmark (data --help)
  prefetch fetch the models and benchmarks of a run, for machines without network
  edit     new weights from model folders: WiSE-FT, LiNeS, TIES and others (edit --help)
  eval     score checkpoints that were trained elsewhere as stages of a sequence
  frontier a method over its strength beside seqft over its learning rate (draws a picture)
  import   results of TRACE's reference code or of lm-eval into the tidy table (import --help)
  judge    compare two files of answers by a judging model (judge --help)
  paper    TRACE's tables and findings, ours beside the published ones (paper --help)

examples
  python -m harness seed=3 engine=zero2
  python -m harness -m seed=0,1,2
  python -m harness task=[micro_units,micro_stance] train.learning_rate=3e-4
  python -m harness --cfg job --resolve
"""

_SECTIONS = (
    ("", HarnessConfig),
    ("model.", ModelConfig),
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
)


def help_text() -> str:
    """The whole help page."""
    lines = [USAGE, "config groups (group=option)"]
    for group in sorted(path for path in conf_dir().iterdir() if path.is_dir()):
        options = option_names(group.name, [])
        if options:
            lines.append(f"  {group.name:<11} {', '.join(options)}")
    lines.append("\nkeys (key=value)")
    for prefix, section in _SECTIONS:
        for spec in fields(section):
            name = f"{prefix}{spec.name}"
            lines.append(f"  {name:<42} {spec.metadata['help']}{_default(spec)}")
    return "\n".join(lines)


def _default(spec: Any) -> str:
    if spec.default is MISSING or spec.default == "???":
        return ""
    value = getattr(spec.default, "value", spec.default)
    return f" [{'null' if value is None else value}]"
