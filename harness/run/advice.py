"""Would the other number format be faster on this processor? A line for the user, who decides.

Precision is part of what a run is, so nothing here changes it. What a processor does well is no
part of a stage either, whose files are the same bytes on any machine of a kind: the line is an
event of the rank that has measured, and stands in no file of the store but the log.
"""

from collections.abc import Sequence

from harness.config import EvalBackend, HarnessConfig, Precision, Quantization
from harness.models.block_times import NARROWEST, BlockSizes, BlockTimes, block_times
from harness.plan.memory.model import Shapes, shapes_of
from harness.store.listener import Notice
from harness.store.work import EvalWork, TrainWork, Work

TOPIC = "precision"
LEAST = 1.3  # times as fast that a whole step must be; less is not worth a word
# The share of a step in fp32 that gains what a block gains, net of what bf16 adds. Measured with
# SmolLM2-135M on one busy core with AMX, ZeRO 1, three or four steps a case. Four passes of 480
# tokens a step: forward 2.15 x as fast, backward 1.12 x (probably since DeepSpeed adds every pass's
# gradients up in fp32; not profiled), the optimizer alike, whole steps 1.28 x. Two passes of 310
# tokens: whole steps 1.06 x. This is the better case, so small batches gain less than it says.
BLOCKS_SHARE = 0.41


def precision_notice(config: HarnessConfig, device: str, works: Sequence[Work]) -> Notice | None:
    """What to say of the precision of a run that does these works here, measured; on GPUs, of
    narrow models, and where nothing tells the model's sizes, nothing."""
    if device != "cpu" or config.model.quantization is not Quantization.none:
        return None
    if not any(_computes(work, config) for work in works):
        return None
    shapes = shapes_of(config.model)
    if shapes is None or shapes.hidden < NARROWEST:
        return None
    try:
        times = block_times(block_sizes(shapes), config.train.pack_tokens)
    except RuntimeError:  # sizes that make no block; what comes next says so, if it matters
        return None
    return advice(config.engine.precision, config.engine.zero_stage, times)


def advice(precision: Precision, zero_stage: int, times: BlockTimes) -> Notice | None:
    """A hint where the other format is clearly faster, a warning where it is the slow one that was
    asked for (fp32 is the default); nothing where they are alike."""
    gain = step_gain(times)
    if precision is Precision.fp32 and gain >= LEAST:
        keys = "engine.precision=bf16" + (" engine.zero_stage=1" if zero_stage == 0 else "")
        return Notice(TOPIC, _line(Precision.bf16, times.fp32 / times.bf16, keys))
    if precision is Precision.bf16 and gain <= 1 / LEAST:
        line = _line(Precision.fp32, times.bf16 / times.fp32, "engine.precision=fp32")
        return Notice(TOPIC, line, warning=True)
    return None


def _line(better: Precision, factor: float, keys: str) -> str:
    return (
        f"on this CPU a block of this model is {factor:.1f} x faster in {better.value} than in "
        f"what is asked for; {keys} would use that, as a run of its own with other numbers"
    )


def step_gain(times: BlockTimes) -> float:
    """How many times as fast as in fp32 a whole step of training would be in bf16."""
    return 1 / (1 - BLOCKS_SHARE + BLOCKS_SHARE * times.bf16 / times.fp32)


def block_sizes(shapes: Shapes) -> BlockSizes:
    """The widths of a model's block."""
    return BlockSizes(
        shapes.hidden, shapes.queries, shapes.keys, shapes.head_dim, shapes.intermediate
    )


def _computes(work: Work, config: HarnessConfig) -> bool:
    """Does a pass of the model go through torch here?"""
    scored = isinstance(work, EvalWork) and config.eval.backend is not EvalBackend.vllm
    return scored or isinstance(work, TrainWork)
