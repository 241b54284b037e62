"""The typed configuration: every key, its type, its meaning and whether it changes results.

Pure dataclasses that import without torch. `conf/*.yaml` files are merged into `HarnessConfig`
by Hydra, so a misspelt key or a wrong type is found before anything is loaded.

A key that changes numbers is marked with the kinds of work it changes (`identity=("train",)`,
`("eval",)`); keys without a mark (ranks, paths, progress) never change a content key.
"""

from harness.config.choices import (
    Attention,
    BetweenTasks,
    DemonstrationSource,
    Device,
    EditStages,
    EvalBackend,
    Experts,
    FutureCells,
    JudgeBackend,
    LearningRateSchedule,
    LossNorm,
    Match,
    ModelKind,
    Offload,
    Order,
    Packing,
    PastCells,
    Precision,
    PromptStyle,
    Quantization,
    ResetOptimizer,
    Schedule,
    Split,
    SuiteStages,
)
from harness.config.evaluation import BenchmarkConfig, EvalConfig, JudgeConfig
from harness.config.fields import is_neutral
from harness.config.inputs import DataConfig, ModelConfig, SequenceConfig, StoreConfig, TaskConfig
from harness.config.method import AdapterConfig, EditConfig, MethodConfig, PromptingConfig
from harness.config.plain import from_plain
from harness.config.root import CodeConfig, HarnessConfig, RunConfig, SweepConfig
from harness.config.shape import ShapeConfig
from harness.config.training import EngineConfig, TrainConfig

__all__ = [
    "AdapterConfig",
    "Attention",
    "BenchmarkConfig",
    "BetweenTasks",
    "CodeConfig",
    "DataConfig",
    "DemonstrationSource",
    "Device",
    "EditConfig",
    "EditStages",
    "EngineConfig",
    "EvalBackend",
    "EvalConfig",
    "Experts",
    "FutureCells",
    "HarnessConfig",
    "JudgeBackend",
    "JudgeConfig",
    "LearningRateSchedule",
    "LossNorm",
    "Match",
    "MethodConfig",
    "ModelConfig",
    "ModelKind",
    "Offload",
    "Order",
    "Packing",
    "PastCells",
    "Precision",
    "PromptStyle",
    "PromptingConfig",
    "Quantization",
    "ResetOptimizer",
    "RunConfig",
    "Schedule",
    "SequenceConfig",
    "ShapeConfig",
    "Split",
    "StoreConfig",
    "SuiteStages",
    "SweepConfig",
    "TaskConfig",
    "TrainConfig",
    "from_plain",
    "is_neutral",
]
