"""The words that a key with a closed set of values accepts, and what each of them means."""

from enum import StrEnum
from typing import Self


class Choice(StrEnum):
    """A closed set of words. A member is its word, or its word and what it means."""

    meaning: str

    def __new__(cls, word: str, meaning: str = "") -> Self:
        self = str.__new__(cls, word)
        self._value_ = word
        self.meaning = meaning
        return self

    @classmethod
    def listed(cls) -> str:
        """All words, as a help text tells them: those that speak for themselves side by side, else
        one after the other with its meaning."""
        if not any(word.meaning for word in cls):
            return " | ".join(cls)
        return "; ".join(f"{word} ({word.meaning})" if word.meaning else word for word in cls)


class Order(Choice):
    given = "given"
    reversed = "reversed"
    random = "random", "seeded by order_seed"


class Schedule(Choice):
    sequential = "sequential"
    joint = "joint", "one model on all tasks"
    single = "single", "one model per task"
    none = "none", "nothing is trained"


class Precision(Choice):
    fp32 = "fp32"
    bf16 = "bf16"


class ModelKind(Choice):
    causal = "causal", "decoder-only"
    seq2seq = "seq2seq", "encoder-decoder: T5 and its kin"


class Attention(Choice):
    sdpa = "sdpa"
    eager = "eager"
    flex_attention = "flex_attention", "GPU"
    flash_attention_2 = "flash_attention_2", "GPU"
    flash_attention_3 = "flash_attention_3", "GPU"


class Device(Choice):
    auto = "auto", "a GPU if there is one"
    cpu = "cpu"
    cuda = "cuda"


class Tracker(Choice):
    tensorboard = "tensorboard"
    wandb = "wandb", "Weights & Biases"
    mlflow = "mlflow"
    trackio = "trackio"


class Offload(Choice):
    none = "none"
    optimizer = "optimizer", "masters and moments; needs ZeRO 1-3"
    all = "all", "the weights too; needs ZeRO 3"


class Quantization(Choice):
    none = "none"
    nf4 = "nf4", "4 bits, by bitsandbytes; methods with an adapter alone"


class LearningRateSchedule(Choice):
    constant = "constant"
    linear = "linear", "to zero at the task's last step"
    cosine = "cosine", "the same in the shape of a cosine"


class LossNorm(Choice):
    tokens = "tokens", "mean over the step's answer tokens"
    micro_batch = "micro_batch", "mean of the micro-batches' means"


class ResetOptimizer(Choice):
    each_task = "each_task"
    never = "never", "moments are carried through the sequence"


class Match(Choice):
    epochs = "epochs"
    steps = "steps", "no more steps than the task's own rows take"
    tokens = "tokens", "no more tokens than the task's own rows have"


class EvalBackend(Choice):
    hf = "hf", "transformers' generate"
    paged = "paged", "transformers' continuous batching: a paged cache, shared prefixes"
    vllm = "vllm", "vLLM in an environment of its own, eval.vllm_python"


class JudgeBackend(Choice):
    none = "none"
    http = "http", "any OpenAI-compatible endpoint"
    local = "local", "a Hugging Face model"


class Packing(Choice):
    auto = "auto", "rows share a sequence where a probe shows that this is exact"
    never = "never", "rows are padded"


class PastCells(Choice):
    all = "all", "the lower triangle"
    ends = "ends", "diagonal and last row"


class FutureCells(Choice):
    none = "none"
    next = "next", "the super-diagonal, for FWT"
    all = "all"


class SuiteStages(Choice):
    ends = "ends", "stages 0 and T"
    all = "all", "every stage"


class Average(Choice):
    subtasks = "subtasks", "unweighted mean of the subtasks' scores, macro"
    items = "items", "weighted by their number of items"


class Side(Choice):
    harmful = "harmful", "refusals count"
    benign = "benign", "compliance counts"


class BetweenTasks(Choice):
    keep = "keep", "one adapter goes on"
    stack = "stack", "a fresh one per task beside the frozen earlier ones"
    merge = "merge", "a fresh one per task, the earlier ones added to the weights"


class EditStages(Choice):
    all = "all", "after every stage, so that BWT exists"
    final = "final", "after the last"


class Experts(Choice):
    single = "single", "models of one task each, trained from the initial one"
    sequential = "sequential", "the stages of the sequence"
    rates = "rates", "the stage of one sequence at several learning rates"


class DemonstrationSource(Choice):
    train = "train"
    test = "test", "as TRACE's code draws them: a leak, and named as one"


class PromptStyle(Choice):
    plain = "plain", "solved rows as they are"
    trace = "trace", "instruction once, labels in equal numbers"


class Split(Choice):
    test = "test"
    eval = "eval"
