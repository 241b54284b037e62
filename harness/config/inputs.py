"""What is given: the model, the tasks and their order, where data and results lie."""

from dataclasses import dataclass
from typing import Any

from harness.config.choices import (
    Attention,
    DemonstrationSource,
    ModelKind,
    Order,
    Precision,
    Quantization,
)
from harness.config.fields import BOTH, EVAL, Section, key
from harness.config.parts import Kind
from harness.config.shape import ShapeConfig


@dataclass
class ModelConfig(Section):
    name: str = key("name of the model in tables", "???")
    path: str = key("folder of a Hugging Face model, or a hub id", "???")
    revision: str | None = key("hub revision (commit, tag or branch); unused for folders", None)
    kind: ModelKind = key(
        "model family; its config.json says it where this does not", ModelKind.causal
    )
    parameters: float | None = key(
        "billions of weights, for the estimates of `plan` where the folder is not here", None
    )
    shape: ShapeConfig | None = key(
        "its sizes, for the memory that `plan` tells where its config.json is not here",
        factory=ShapeConfig,
    )
    dtype: Precision = key(
        "type of the published weights, for the estimates of `plan`", Precision.fp32
    )
    chat_template: bool = key(
        "put prompts into the tokenizer's chat template (TRACE does not)", False, identity=BOTH
    )
    trust_remote_code: bool = key("run code that ships with the model", False, identity=BOTH)
    attention: Attention = key("how attention is computed", Attention.sdpa, identity=BOTH)
    quantization: Quantization = key(
        "type of the base model's weights under an adapter", Quantization.none, identity=BOTH
    )


@dataclass
class SequenceConfig(Section):
    name: str = key("name of the sequence in tables", "???")
    tasks: list[str] | None = key(
        "task names in order; null = every task of the task group, in the order it lists them", None
    )
    from_folder: str | None = key(
        "take every task of this folder in TRACE's format, metrics guessed; null = the task group",
        None,
    )
    scorers: dict[str, str] = key(
        "from_folder: scorers instead of the guesses, +sequence.scorers.<task>=<scorer>",
        factory=dict,
    )
    overrides: dict[str, Any] = key(
        "from_folder: keys of its tasks, as task.<task>.<key>=<value> sets them", factory=dict
    )
    max_prompt_tokens: int = key("from_folder: longest prompt", 768)
    max_answer_tokens: int = key("from_folder: longest answer", 256)
    order: Order = key("order of the tasks", Order.given)
    order_seed: int = key("seed of order=random", 0)
    recurrence: bool = key("allow a task to be visited more than once", False)
    recurring: int = key(
        "how often the whole list is gone through; order=random draws each time anew", 1
    )
    # No identity: what it changes is in the stages that get other rows.
    blur: float = key(
        "blurry boundaries: the share of a task's rows, 0 to 0.5, that trains in the stage before "
        "in place of its own, and as many in the stage after",
        0.0,
    )


@dataclass
class TaskConfig(Section):
    folder: str = key("folder below data.root with train.json, eval.json and test.json", "???")
    scorer: str = key(
        "a name, or the dotted path of scorer(doc, prediction) -> {metric: value}",
        "???",
        identity=EVAL,
        part=Kind.scorer,
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
    demonstration_split: DemonstrationSource | None = key(
        "where its solved rows come from, null = prompting.source", None
    )
    demonstration_end: str | None = key(
        "what begins the next solved row where a model goes on; prompting.postprocess cuts there",
        None,
    )
    first_tokens: int | None = key("prompting.postprocess keeps so many generated tokens", None)
    version: int = key("raise it when scoring or generation change", 1, identity=EVAL)


@dataclass
class DataConfig(Section):
    name: str = key("label of the data in tables", "")
    root: str = key("folder with one sub-folder per task", "???")
    replay_set: str | None = key(
        "file of rows that replay adds to the old tasks' (TRACE: LIMA); null = none", None
    )
    suite_root: str | None = key("folder with the suites' files; $SUITE_DATA where it is set", None)


@dataclass
class StoreConfig(Section):
    root: str = key("where checkpoints and scores live", "results/store")
    results: str = key("where scores.csv, tables/ and plots/ are written", "results")
    keep: Any = key(
        "which stages' weights stay when all that reads them is done: all | ends (the last) | none"
        ", or stages as in [2,4]; scores and logs always stay",
        "all",
    )
    forget_days: float | None = key(
        "an unfinished run on which nobody worked for so many days is given up: nothing stays for "
        "it (keep), checkpoints and answers of work that is not whole go; null = never",
        30.0,
    )
    silence_minutes: float = key(
        "what this command works on is another machine's once it gave no sign of life for so long; "
        "more where files hang for minutes",
        1.0,
    )
