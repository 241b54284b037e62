"""The words that a key with a closed set of values accepts; the keys' help says what they mean."""

from enum import StrEnum


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


class Attention(StrEnum):
    sdpa = "sdpa"
    eager = "eager"
    flex_attention = "flex_attention"
    flash_attention_2 = "flash_attention_2"
    flash_attention_3 = "flash_attention_3"


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


class Side(StrEnum):
    harmful = "harmful"
    benign = "benign"


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
