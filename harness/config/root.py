"""The whole configuration."""

from dataclasses import dataclass

from harness.config.choices import Tracker
from harness.config.evaluation import EvalConfig, JudgeConfig, SuiteConfig
from harness.config.fields import Section, key
from harness.config.inputs import DataConfig, ModelConfig, SequenceConfig, StoreConfig, TaskConfig
from harness.config.method import MethodConfig
from harness.config.training import EngineConfig, TrainConfig


@dataclass
class SweepConfig(Section):
    skip_invalid: bool = key(
        "leave out the jobs of a sweep that are refused and run the others; false = one that is "
        "refused stops all of them before anything runs",
        False,
    )


@dataclass
class CodeConfig(Section):
    allow: list[str] = key(
        "modules of yours whose code dotted paths may name, and what is in them; to be said on the "
        "command line (or by HARNESS_ALLOW_CODE): no config file can",
        factory=list,
    )


@dataclass
class RunConfig(Section):
    retries: int = key(
        "how often a stage or a score whose ranks were lost or hung is launched again by the same "
        "command; 0 = never",
        2,
    )


@dataclass
class HarnessConfig(Section):
    seed: int = key("seed of data order, dropout and sampling", 0)
    experiment: str = key("label of the run in tables", "default")
    protocol: str = key("label of the protocol in tables", "default")
    model: ModelConfig = key("the initial model", factory=ModelConfig)
    sequence: SequenceConfig = key("the tasks and their order", factory=SequenceConfig)
    task: dict[str, TaskConfig] = key("every task the sequence may use", factory=dict)
    method: MethodConfig = key(
        "the method: the keys below, one mapping with _target_ per strategy or edit, and aliases",
        factory=MethodConfig,
    )
    suite: dict[str, SuiteConfig] = key("benchmarks outside the sequence", factory=dict)
    judge: JudgeConfig = key("who compares answers with stage 0's", factory=JudgeConfig)
    engine: EngineConfig = key("DeepSpeed and the machine", factory=EngineConfig)
    train: TrainConfig = key("optimization", factory=TrainConfig)
    eval: EvalConfig = key("which cells are scored and how", factory=EvalConfig)
    data: DataConfig = key("where data lies", factory=DataConfig)
    store: StoreConfig = key("where results lie", factory=StoreConfig)
    code: CodeConfig = key("whose code may run", factory=CodeConfig)
    run: RunConfig = key("what a command does where ranks fail", factory=RunConfig)
    tracking: list[Tracker] = key(
        "who else gets losses and scores while a run goes on", factory=list
    )
    sweep: SweepConfig = key("what several jobs (-m) do together", factory=SweepConfig)
