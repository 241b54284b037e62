"""The typed configuration: every key, its type, its meaning and whether it changes results.

Pure dataclasses that import without torch. `conf/*.yaml` files are merged into `HarnessConfig`
by Hydra, so a misspelt key or a wrong type is found before anything is loaded.

A key that changes numbers is marked with the kinds of work it changes (`identity=("train",)`,
`("eval",)`); keys without a mark (ranks, paths, progress) never change a content key.
"""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Any

TRAIN = ("train",)
EVAL = ("eval",)
BOTH = ("train", "eval")
JUDGE = ("judge",)


def key(
    help: str,
    default: Any = MISSING,
    *,
    factory: Callable[[], Any] | Any = MISSING,
    identity: tuple[str, ...] = (),
) -> Any:
    """A config field with its help text and the kinds of node whose content key it enters."""
    metadata = {"help": help, "identity": identity}
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


class Order(StrEnum):
    given = "given"
    reversed = "reversed"
    random = "random"


class Schedule(StrEnum):
    sequential = "sequential"
    joint = "joint"
    single = "single"
    none = "none"


class Precision(StrEnum):
    fp32 = "fp32"
    bf16 = "bf16"


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class LearningRateSchedule(StrEnum):
    constant = "constant"
    linear = "linear"
    cosine = "cosine"


class LossNorm(StrEnum):
    tokens = "tokens"
    micro_batch = "micro_batch"


class ResetOptimizer(StrEnum):
    each_task = "each_task"
    never = "never"


class Match(StrEnum):
    epochs = "epochs"
    steps = "steps"
    tokens = "tokens"


class JudgeBackend(StrEnum):
    none = "none"
    http = "http"
    local = "local"


class Packing(StrEnum):
    auto = "auto"
    never = "never"


class PastCells(StrEnum):
    all = "all"
    ends = "ends"


class FutureCells(StrEnum):
    none = "none"
    next = "next"
    all = "all"


class SuiteStages(StrEnum):
    ends = "ends"
    all = "all"


class Average(StrEnum):
    subtasks = "subtasks"
    items = "items"


class BetweenTasks(StrEnum):
    keep = "keep"
    stack = "stack"
    merge = "merge"


class EditStages(StrEnum):
    all = "all"
    final = "final"


class Experts(StrEnum):
    single = "single"
    sequential = "sequential"


class DemonstrationSource(StrEnum):
    train = "train"
    test = "test"


class PromptStyle(StrEnum):
    plain = "plain"
    trace = "trace"


class Split(StrEnum):
    test = "test"
    eval = "eval"


@dataclass
class ModelConfig:
    name: str = key("name of the model in tables", "???")
    path: str = key("folder of a Hugging Face model, or a hub id", "???")
    revision: str | None = key("hub revision (commit, tag or branch); unused for folders", None)
    kind: str = key("model family; only 'causal' is supported", "causal")
    parameters: float | None = key(
        "billions of weights, for the estimates of `plan` where the folder is not here", None
    )
    dtype: Precision = key(
        "type of the published weights, for the estimates of `plan`", Precision.fp32
    )
    chat_template: bool = key(
        "put prompts into the tokenizer's chat template (TRACE does not)", False, identity=BOTH
    )
    trust_remote_code: bool = key("run code that ships with the model", False, identity=BOTH)
    attention: str = key("attention implementation of transformers", "sdpa", identity=BOTH)


@dataclass
class SequenceConfig:
    name: str = key("name of the sequence in tables", "???")
    tasks: list[str] | None = key(
        "task names in order; null = every task of the task group, in the order it lists them", None
    )
    from_folder: str | None = key(
        "take every task of this folder in TRACE's format, metrics guessed; null = the task group",
        None,
    )
    scorers: dict[str, str] = key(
        "from_folder: task -> scorer that replaces the guess", factory=dict
    )
    max_prompt_tokens: int = key("from_folder: longest prompt", 1024)
    max_answer_tokens: int = key("from_folder: longest answer", 256)
    order: Order = key("given | reversed | random (seeded by order_seed)", Order.given)
    order_seed: int = key("seed of order=random", 0)
    recurrence: bool = key("allow a task to be visited more than once", False)


@dataclass
class TaskConfig:
    folder: str = key("folder below data.root with train.json, eval.json and test.json", "???")
    scorer: str = key(
        "dotted path of scorer(doc, prediction) -> {metric: value}", "???", identity=EVAL
    )
    headline: str = key("the metric that OP and BWT use", "???")
    max_prompt_tokens: int = key("longest prompt; cut on the left, BOS kept", 512, identity=BOTH)
    max_answer_tokens: int = key(
        "longest answer trained on (EOS included) and most tokens generated", 128, identity=BOTH
    )
    epochs: int = key(
        "passes over the training split, unless train.task_epochs or train.epochs says otherwise", 1
    )
    learning_rate: float | None = key("learning rate, unless null: train.learning_rate", None)
    instruction: str | None = key(
        "what every prompt starts with; shown once by prompting.style=trace", None
    )
    max_demonstrations: int | None = key("most solved rows in a prompt; null = any number", None)
    version: int = key("raise it when scoring or generation change", 1, identity=EVAL)


@dataclass
class AdapterConfig:
    kind: str = key("adapter type; only 'lora' is there", "lora", identity=TRAIN)
    rank: int = key("rank of the update", 8, identity=TRAIN)
    alpha: float = key("the update is scaled by alpha / rank", 32.0, identity=TRAIN)
    dropout: float = key("dropout on the adapter's input", 0.1, identity=TRAIN)
    targets: list[str] = key(
        "names of the linear layers to adapt; [all-linear] = all but the head",
        factory=lambda: ["q_proj", "v_proj"],
        identity=TRAIN,
    )
    between_tasks: BetweenTasks = key(
        "keep: one adapter goes on; stack: a fresh one a task beside the frozen earlier ones; "
        "merge: a fresh one a task, the earlier ones added to the weights",
        BetweenTasks.keep,
        identity=TRAIN,
    )


@dataclass
class PromptingConfig:
    demonstrations: int = key("solved training rows before each prompt", 0, identity=EVAL)
    seed: int = key("which training rows", 0, identity=EVAL)
    source: DemonstrationSource = key(
        "train | test (as TRACE's code draws them: a leak, and named as one)",
        DemonstrationSource.train,
    )
    style: PromptStyle = key(
        "plain: solved rows as they are; trace: instruction once, labels in equal numbers",
        PromptStyle.plain,
    )
    postprocess: bool = key("cut predictions as TRACE's in-context code does", False)


@dataclass
class EditConfig:
    at: EditStages = key(
        "all: after every stage (so that BWT exists); final: the last", EditStages.all
    )
    experts: Experts = key(
        "what an edit merges that takes several models: single = models of one task each, trained "
        "from the initial one; sequential = the stages of the sequence",
        Experts.single,
    )


@dataclass
class MethodConfig:
    name: str = key("name of the method in tables", "???")
    schedule: Schedule = key(
        "sequential | joint (one model on all tasks) | single (a model a task) | none",
        Schedule.sequential,
    )
    adapter: AdapterConfig | None = key(
        "train an adapter; null = all weights", None, identity=TRAIN
    )
    learning_rate_factor: float = key(
        "multiplies the learning rate (adapters want about ten times that of full training)", 1.0
    )
    prompting: PromptingConfig = key("in-context learning", factory=PromptingConfig)
    checkpoints: list[str] | None = key(
        "folders of stages 1..T that were trained elsewhere (models or adapters); null = train",
        None,
    )
    order: list[str] = key(
        "the strategies in the order in which their hooks run; empty = as they are listed",
        factory=list,
        identity=TRAIN,
    )
    edit: EditConfig = key("when and on what the method's edits work", factory=EditConfig)
    edits: dict[str, Any] = key(
        "filled from the method's other keys: edit name -> {_target_: class, its parameters}",
        factory=dict,
    )
    strategies: dict[str, Any] = key(
        "filled from the method's other keys: strategy name -> {_target_: class, its parameters}",
        factory=dict,
        identity=TRAIN,
    )


@dataclass
class BenchmarkConfig:
    folder: str | None = key("folder below data.suite_root with the benchmark's files", None)
    source: str | None = key(
        "dotted path of the reader of a publisher's files; null = a test.json and a scorer",
        None,
        identity=EVAL,
    )
    lm_eval_task: str | None = key(
        "name of a task, group or tag that ships with lm-eval", None, identity=EVAL
    )
    scorer: str | None = key("dotted path of the scorer of a test.json", None, identity=EVAL)
    headline: str = key("the metric that the suite's delta uses", "???")
    filter: str = key("lm-eval filter of the headline metric", "none")
    max_prompt_tokens: int | None = key(
        "longest prompt generated for, cut on the left; null = the context less the answer",
        1024,
        identity=EVAL,
    )
    max_answer_tokens: int = key("most tokens generated", 64, identity=EVAL)
    shots: int = key("demonstrations in the prompt (source, lm_eval_task)", 0, identity=EVAL)
    average: Average = key(
        "subtasks: the benchmark's score is the unweighted mean of its subtasks' scores (macro);"
        " items: weighted by their number of items",
        Average.subtasks,
        identity=EVAL,
    )
    limit: int | None = key(
        "first so many items only, of every subtask; null = eval.limit", None, identity=EVAL
    )
    unit: str = key("unit of the headline metric; deltas average one unit", "score")
    judged: str | None = key(
        "helpful | harmless: the rubric by which a judge compares its answers with stage 0's", None
    )
    version: int = key("raise it when prompts, scoring or generation change", 1, identity=EVAL)


@dataclass
class SuiteConfig:
    benchmarks: dict[str, BenchmarkConfig] = key("benchmark name -> what it is", factory=dict)


@dataclass
class JudgeConfig:
    backend: JudgeBackend = key(
        "none | http (any OpenAI-compatible endpoint) | local (a Hugging Face model)",
        JudgeBackend.none,
        identity=JUDGE,
    )
    base_url: str | None = key("the endpoint, up to /v1", None)
    model: str = key("name of the judging model; local: a folder or hub id", "", identity=JUDGE)
    revision: str | None = key("local: hub revision", None, identity=JUDGE)
    key_variable: str = key("environment variable that holds the key", "JUDGE_API_KEY")
    temperature: float = key("0 = greedy", 0.0, identity=JUDGE)
    max_tokens: int = key("most tokens of a judgement", 512, identity=JUDGE)
    workers: int = key("requests at once", 8)
    requests_per_minute: float | None = key("most requests a minute; null = no limit", None)
    timeout_seconds: float = key("longest wait for a reply", 120.0)
    attempts: int = key("tries of a request that fails", 6)
    backoff_seconds: float = key("first pause after a failure; it doubles, with jitter", 1.0)
    malformed_retries: int = key("further tries of a reply without a verdict", 2, identity=JUDGE)
    resample_temperature: float = key(
        "of stage 0's second answers, which the judge compares with its first (A/A run)",
        0.7,
        identity=JUDGE,
    )
    price_prompt: float = key("price of a million prompt tokens, in your currency", 0.0)
    price_completion: float = key("price of a million generated tokens", 0.0)
    cache: str | None = key("SQLite file of replies; null = in the store", None)


@dataclass
class EngineConfig:
    zero_stage: int = key("DeepSpeed ZeRO stage: 0, 1, 2 or 3", 0)
    precision: Precision = key("fp32 | bf16 (bf16 needs ZeRO 1-3)", Precision.fp32, identity=BOTH)
    ranks: int | None = key("processes; null = one a GPU, one on a machine without", None)
    device: Device = key("auto | cpu | cuda", Device.auto)
    threads: int | None = key("CPU threads a rank; null = cores / ranks", None)
    timeout_minutes: float = key("longest wait of one rank for another", 240.0)
    tflops: float = key("sustained TFLOP/s of a device, for the hours that `plan` prints", 125.0)
    bandwidth: float = key("memory bandwidth of a device in TB/s, for the same", 1.5)
    gradient_checkpointing: bool = key("recompute activations in the backward pass", False)


@dataclass
class TrainConfig:
    batch_size: int = key("examples an optimizer step, over all ranks", "???", identity=TRAIN)
    learning_rate: float = key("peak learning rate", "???", identity=TRAIN)
    epochs: int | None = key("passes over every task; null = the task's own number", None)
    task_epochs: dict[str, int] = key(
        "task -> passes, instead of the task's own number (a protocol's table)", factory=dict
    )
    adapter_task_epochs: dict[str, int] = key(
        "the same for methods with an adapter; a task missing here is looked up in task_epochs",
        factory=dict,
    )
    match: Match = key(
        "epochs | steps | tokens: what a method that trains on more rows shares with sequential "
        "fine-tuning; steps and tokens stop it at the number that the task's own rows take",
        Match.epochs,
        identity=TRAIN,
    )
    max_steps: int | None = key(
        "stop a task after so many steps; null = never", None, identity=TRAIN
    )
    schedule: LearningRateSchedule = key(
        "constant | linear | cosine (to zero at the task's last step)",
        LearningRateSchedule.constant,
        identity=TRAIN,
    )
    warmup_ratio: float = key("share of a task's steps with a rising rate", 0.0, identity=TRAIN)
    weight_decay: float = key("AdamW weight decay (not on norms and biases)", 0.0, identity=TRAIN)
    betas: list[float] = key("AdamW betas", factory=lambda: [0.9, 0.95], identity=TRAIN)
    eps: float = key("AdamW epsilon", 1e-8, identity=TRAIN)
    clip: float = key("largest gradient norm; 0 = no clipping", 1.0, identity=TRAIN)
    reset_optimizer: ResetOptimizer = key(
        "each_task | never (moments carried through the sequence)",
        ResetOptimizer.each_task,
        identity=TRAIN,
    )
    loss_norm: LossNorm = key(
        "tokens: mean over the step's answer tokens; micro_batch: mean of micro-batch means",
        LossNorm.tokens,
        identity=TRAIN,
    )
    micro_batch_size: int = key("examples a forward pass when rows are padded", 4)
    packing: Packing = key(
        "auto: pack where a probe shows it exact; never: padded rows", Packing.auto
    )
    pack_tokens: int = key("longest packed row, in tokens", 2048)
    objective: dict[str, Any] = key(
        "{_target_: class} giving a loss per answer token",
        factory=lambda: {"_target_": "harness.objectives.CrossEntropy"},
        identity=TRAIN,
    )


@dataclass
class EvalConfig:
    backend: str = key("what generates: 'hf' (transformers)", "hf", identity=EVAL)
    batch_size: int = key("prompts generated at once", 32, identity=EVAL)
    split: Split = key("test | eval", Split.test, identity=EVAL)
    allow_eval_equals_test: bool = key(
        "score eval although its prompts are test prompts (a choice made there is made on test)",
        False,
    )
    limit: int | None = key(
        "first so many items of every task and subtask; null = all", None, identity=EVAL
    )
    max_answer_tokens: int | None = key(
        "most tokens generated for every task of the sequence; null = the task's cap", None
    )
    temperature: float = key("0 = greedy; above = sampling", 0.0, identity=EVAL)
    stage0: bool = key("also score the initial model (row 0)", True)
    past: PastCells = key("all: the lower triangle; ends: diagonal and last row", PastCells.all)
    future: FutureCells = key("none | next (super-diagonal, for FWT) | all", FutureCells.none)
    suite_stages: SuiteStages = key("ends: stages 0 and T; all: every stage", SuiteStages.all)


@dataclass
class DataConfig:
    name: str = key("label of the data in tables", "")
    root: str = key("folder with one sub-folder a task", "???")
    replay_set: str | None = key(
        "file of rows that replay adds to the old tasks' (TRACE: LIMA); null = none", None
    )
    suite_root: str | None = key("folder with the local suites' data", None)


@dataclass
class StoreConfig:
    root: str = key("where checkpoints and scores live", "results/store")
    results: str = key("where scores.csv, tables/ and plots/ are written", "results")


@dataclass
class HarnessConfig:
    seed: int = key("seed of data order, dropout and sampling", 0)
    experiment: str = key("label of the run in tables", "default")
    protocol: str = key("label of the protocol in tables", "default")
    model: ModelConfig = key("the initial model", factory=ModelConfig)
    sequence: SequenceConfig = key("the tasks and their order", factory=SequenceConfig)
    task: dict[str, TaskConfig] = key("every task the sequence may use", factory=dict)
    method: dict[str, Any] = key(
        "the method: the keys of MethodConfig, one mapping with _target_ a strategy, and aliases",
        factory=lambda: _frame(),
    )
    suite: dict[str, SuiteConfig] = key("benchmarks outside the sequence", factory=dict)
    judge: JudgeConfig = key("who compares answers with stage 0's", factory=JudgeConfig)
    engine: EngineConfig = key("DeepSpeed and the machine", factory=EngineConfig)
    train: TrainConfig = key("optimization", factory=TrainConfig)
    eval: EvalConfig = key("which cells are scored and how", factory=EvalConfig)
    data: DataConfig = key("where data lies", factory=DataConfig)
    store: StoreConfig = key("where results lie", factory=StoreConfig)


def _frame() -> dict[str, Any]:
    """A method's own keys with their defaults, so that they can be overridden in any preset."""
    method = MethodConfig(name="???")
    hidden = ("name", "strategies", "edits")
    frame = {spec.name: getattr(method, spec.name) for spec in fields(method)}
    frame |= {"prompting": vars(method.prompting), "edit": vars(method.edit)}
    return {name: value for name, value in frame.items() if name not in hidden}


def from_plain(data: dict[str, Any]) -> HarnessConfig:
    """Rebuild a configuration from the plain JSON that `keys.plain` makes of it."""
    from omegaconf import OmegaConf

    method = OmegaConf.structured(MethodConfig)
    typed = OmegaConf.merge(OmegaConf.structured(HarnessConfig), {**data, "method": {}})
    config = OmegaConf.to_object(typed)
    config.method = OmegaConf.to_object(OmegaConf.merge(method, data["method"]))
    return config


def is_neutral(spec: Any, value: Any) -> bool:
    """True where a field holds its default, so that leaving it out keeps older keys valid."""
    if spec.default is not MISSING:
        return bool(spec.default != "???" and value == spec.default)
    return bool(spec.default_factory is not MISSING and value == spec.default_factory())
