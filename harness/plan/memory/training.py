"""Bytes that a rank takes while it trains, part by part, as DeepSpeed lays them out.

ZeRO 0 holds all whole; ZeRO 1 and 2 cut masters and Adam's moments into a part for each rank, ZeRO
2 the gradients too, ZeRO 3 the weights as well; a bf16 run at ZeRO 1 is laid out as at ZeRO 2.
Weights take 2 bytes in bf16 and 4 in fp32, all the rest 4. conf/README.md says how far off this is.
"""

from dataclasses import dataclass, replace

from harness.config import (
    BetweenTasks,
    HarnessConfig,
    LossNorm,
    Offload,
    Packing,
    Precision,
    Schedule,
    TaskConfig,
)
from harness.config.sequence import task_order
from harness.methods.loading import load_strategies
from harness.models.family import family_of
from harness.plan.memory.model import Model
from harness.plan.memory.seq2seq import EncoderDecoder
from harness.plan.memory.shapes import Shapes

FP32 = 4
BUCKET = 200_000_000  # weights in a bucket of the engine, no more than the model has
ZERO_0_BUCKET = 500_000_000
SUB_GROUP = 1_000_000_000  # weights that ZeRO 3 updates at once
# Weights that ZeRO 3 keeps whole around the turn from forward to backward: what is used again
# within 10^9 weights is not given back.
KEPT = 500_000_000
CUDA_CONTEXT = 1.0e9  # of CUDA and NCCL
CPU_CONTEXT = 0.15e9  # what libraries take from the first step on, beside the interpreter
LOGIT_BYTES = 12  # a logit, its fp32 copy, its log-softmax and their gradients, as they overlap
HOST_STATE = 22  # a weight in host memory: 16 of state, 4 of gradients on their way, 2 of a copy


@dataclass(frozen=True)
class Setting:
    """What memory hangs on besides the model. row_tokens and answer_tokens are those of one forward
    pass; copies, host_copies: fp32 copies of the trained weights that the method's strategies hold,
    on the device and in main memory; whole: a stage begins with the whole model at ZeRO 3 too;
    longest_prompt: in tokens."""

    zero_stage: int
    offload: Offload
    precision: Precision
    ranks: int
    cuda: bool
    checkpointing: bool
    row_tokens: int
    answer_tokens: int
    copies: float
    host_copies: float
    whole: bool = False
    longest_prompt: int = 0

    @property
    def width(self) -> int:
        """Bytes of a weight in the forward pass."""
        return 2 if self.precision is Precision.bf16 else 4

    @property
    def layout(self) -> int:
        """The ZeRO stage whose layout it has."""
        return 2 if self.zero_stage == 1 and self.precision is Precision.bf16 else self.zero_stage

    @property
    def possible(self) -> bool:
        """False for what the engine refuses."""
        if self.zero_stage == 0:
            return self.precision is Precision.fp32 and self.offload is Offload.none
        return self.offload is not Offload.all or self.zero_stage == 3


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes of one rank. `buffers` (buckets, gathered weights), activations and logits are there in
    the passes, `step` while the optimizer works, `loading` before any state; `offloaded` lies in
    host memory, and `rounding` at most is taken there beside it."""

    context: float
    loading: float
    weights: float
    masters: float
    gradients: float
    moments: float
    strategies: float
    buffers: float
    activations: float
    logits: float
    step: float
    offloaded: float
    rounding: float = 0.0

    @property
    def host(self) -> float:
        """The most that lies in host memory."""
        return self.offloaded + self.rounding

    @property
    def states(self) -> float:
        """What no setting of lengths and batches changes."""
        return self.weights + self.masters + self.gradients + self.moments

    @property
    def peak(self) -> float:
        """The most that it holds at once."""
        passing = self.buffers + self.activations + self.logits
        trained = self.states + self.strategies + max(passing, self.step)
        return self.context + max(trained, self.loading)


def setting_of(config: HarnessConfig, ranks: int, cuda: bool) -> Setting:
    """The setting of a configuration on so many ranks."""
    engine = config.engine
    row, answers = _row(config, ranks)
    return Setting(
        zero_stage=engine.zero_stage,
        offload=engine.offload,
        precision=engine.precision,
        ranks=ranks,
        cuda=cuda,
        checkpointing=engine.gradient_checkpointing,
        row_tokens=row,
        answer_tokens=answers,
        copies=_copies(config)[0],
        host_copies=_copies(config)[1],
        whole=_comes_whole(config),
        longest_prompt=max(task.max_prompt_tokens for task in _tasks(config)),
    )


def training_memory(model: Model, setting: Setting) -> TrainingMemory:
    """What a rank holds while it trains the model."""
    s, width = setting, setting.width
    part = model.trained / s.ranks if s.layout > 0 else model.trained
    state = TrainingMemory(
        context=CUDA_CONTEXT if s.cuda else CPU_CONTEXT,
        loading=_loading(model, s),
        weights=model.held(width) / (s.ranks if s.layout == 3 else 1),
        masters=_masters(s, part),
        gradients=width * model.trained if s.layout == 1 else FP32 * part,
        moments=2 * FP32 * part,
        strategies=s.copies * FP32 * part,
        buffers=_buffers(model, s),
        activations=_activations(model.shapes, s),
        logits=float(LOGIT_BYTES * s.answer_tokens * (model.shapes.vocab if model.shapes else 0)),
        step=_step(model, s, part),
        offloaded=s.host_copies * FP32 * part,
        # A pinned block is a power of two of bytes, up to twice what is asked for.
        rounding=s.host_copies * FP32 * part if s.cuda else 0.0,
    )
    return state if s.offload is Offload.none else _offloaded(state, s, part)


def _loading(model: Model, s: Setting) -> float:
    """ZeRO 3 cuts one weight after the other (two copies of the largest are there for a moment),
    else the whole model comes to the device; ZeRO 3 cuts it there where it has to. ZeRO 1 and 2
    copy what is trained into one flat piece, in host memory where a device has no room for both."""
    if s.offload is Offload.all:
        return 0.0
    if s.layout == 3:
        if s.whole:
            return s.width * (model.weights + model.largest / s.ranks)
        return s.width * (model.weights / s.ranks + 2 * model.largest)
    copied = 0.0 if s.cuda or s.layout == 0 else model.trained
    return model.held(s.width) + s.width * copied


def _masters(s: Setting, part: float) -> float:
    """At ZeRO 0, and at ZeRO 3 in fp32, the weights are the masters."""
    shared = s.layout == 0 or (s.layout == 3 and s.precision is Precision.fp32)
    return 0.0 if shared else FP32 * part


def _buffers(model: Model, s: Setting) -> float:
    bucket = min(model.weights, BUCKET)
    if s.layout == 0:
        return FP32 * min(model.trained, ZERO_0_BUCKET) if s.ranks > 1 else 0.0
    if s.layout < 3:
        return 2 * s.width * bucket  # the bucket, and the flat copy that is reduced
    gathered = min(model.weights, KEPT + BUCKET + model.largest)
    return s.width * gathered + (s.width + FP32) * bucket


def _step(model: Model, s: Setting, part: float) -> float:
    """What the optimizer's step adds: gradients in one flat fp32 piece, and on a CPU, where AdamW
    is not fused, two results as large as a moment; ZeRO 3 keeps its bucket."""
    if s.offload is not Offload.none:
        return 0.0
    if s.layout == 0:
        return 0.0 if s.cuda else 2 * FP32 * model.largest
    at_once = min(part, SUB_GROUP) if s.layout == 3 else part
    flat = FP32 * at_once
    if s.layout == 2 and s.precision is Precision.bf16:
        flat = 0.0  # they are accumulated in one piece already
    kept = s.width * min(model.weights, BUCKET) if s.layout == 3 else 0.0
    return kept + (flat if s.cuda else flat + 2 * FP32 * at_once)


def _activations(shapes: Shapes | None, s: Setting) -> float:
    """What autograd keeps of a Llama's blocks for one row: a norm's input in fp32, its value before
    and behind the weight; queries, keys, values (of all query heads) and the attention's output;
    four values of the feed-forward part. With checkpointing every block's input, and one block."""
    if shapes is None:
        return 0.0
    e = s.width
    if isinstance(shapes, EncoderDecoder):
        prompts = s.row_tokens - s.answer_tokens
        kept = shapes.activations(e, prompts, s.answer_tokens, s.longest_prompt)
        if s.checkpointing:
            return kept / shapes.layers + e * s.row_tokens * shapes.hidden * shapes.layers
        return kept
    norms = 2 * (FP32 + 2 * e) * shapes.hidden
    block = norms + 4 * e * shapes.queries + 4 * e * shapes.intermediate
    if s.checkpointing:
        return float(s.row_tokens * (e * shapes.hidden * shapes.layers + block))
    return float(s.row_tokens * block * shapes.layers)


def _offloaded(state: TrainingMemory, s: Setting, part: float) -> TrainingMemory:
    """The same with the optimizer's state, or the weights too, in host memory."""
    kept = state.gradients if s.layout == 1 else 0.0
    host = state.offloaded + HOST_STATE * part + state.strategies
    weights = state.weights
    if s.offload is Offload.all:
        before = s.ranks * weights if s.whole else 0.0  # on every rank, until it is cut
        host, weights = max(host + weights, before), 0.0
    return replace(
        state,
        weights=weights,
        masters=0.0,
        gradients=kept,
        moments=0.0,
        strategies=0.0,
        offloaded=host,
        rounding=0.0,  # gradients are there already, and no copies are pinned
    )


def _row(config: HarnessConfig, ranks: int) -> tuple[int, int]:
    """(tokens, answer tokens) of the largest forward pass that the limits of the tasks allow."""
    train = config.train
    tasks = _tasks(config)
    longest = max(task.max_prompt_tokens + task.max_answer_tokens for task in tasks)
    share = max(t.max_answer_tokens / (t.max_prompt_tokens + t.max_answer_tokens) for t in tasks)
    if (
        family_of(config.model).packs
        and train.packing is Packing.auto
        and train.loss_norm is LossNorm.tokens
    ):
        mine = -(-train.batch_size // ranks) * longest
        row = min(max(train.pack_tokens, longest), mine)
    else:
        row = min(train.micro_batch_size, train.batch_size) * longest
    return row, round(row * share)


def _tasks(config: HarnessConfig) -> list[TaskConfig]:
    return [config.task[name] for name in dict.fromkeys(task_order(config))]


def _comes_whole(config: HarnessConfig) -> bool:
    """From the second stage on the sum of stacked adapters is added to the whole model."""
    adapter, later = config.method.adapter, len(task_order(config)) > 1
    stacked = adapter is not None and adapter.between_tasks is BetweenTasks.stack
    return stacked and later and config.method.schedule is Schedule.sequential


def _copies(config: HarnessConfig) -> tuple[float, float]:
    """Of all strategies on the device and in main memory, at the last task."""
    needs = [strategy.needs() for strategy in load_strategies(config.method).values()]
    earlier = len(task_order(config)) - 1 if config.method.schedule is Schedule.sequential else 0
    host = sum(one.host_copies + one.host_copies_a_task * earlier for one in needs)
    return sum(one.copies for one in needs), host
