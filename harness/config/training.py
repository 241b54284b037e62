"""How a stage is trained: the machine, and optimization."""

from dataclasses import dataclass
from typing import Any

from harness.config.choices import (
    Device,
    LearningRateSchedule,
    LossNorm,
    Match,
    Offload,
    Packing,
    Precision,
    ResetOptimizer,
)
from harness.config.fields import BOTH, TRAIN, Section, key


@dataclass
class EngineConfig(Section):
    zero_stage: int = key("DeepSpeed ZeRO stage: 0, 1, 2 or 3", 0)
    precision: Precision = key(
        "number format of weights and activations (bf16 needs ZeRO 1-3)",
        Precision.fp32,
        identity=BOTH,
    )
    ranks: int | None = key(
        "processes; null = one per GPU that eval.beside leaves, or one without a GPU", None
    )
    oversubscribe: bool = key("more ranks than CPU cores, for trials without GPUs", False)
    hostfile: str | None = key(
        "file with a line 'host slots=N' per machine, reached by ssh; null = this machine", None
    )
    device: Device = key("where training and scoring run", Device.auto)
    threads: int | None = key(
        "CPU threads per rank; null = OMP_NUM_THREADS where it is set, else cores / ranks (with "
        "those of eval.beside)",
        None,
    )
    timeout_minutes: float | None = key(
        "ranks that get no further for so long have hung and are launched again; null = ten times "
        "the longest such time of the launch, at least 10 (30 while they start or load a model)",
        None,
    )
    tflops: float = key("sustained TFLOP/s of a device, for the hours that `plan` prints", 125.0)
    bandwidth: float = key("memory bandwidth of a device in TB/s, for the same", 1.5)
    gradient_checkpointing: bool = key("recompute activations in the backward pass", False)
    offload: Offload = key(
        "what lies in host memory: none, the optimizer's state, or all weights too", Offload.none
    )
    deterministic: bool = key(
        "the same bytes at every run; false: kernels that may be faster, on a GPU", True
    )
    tf32: bool = key("fp32 products on a GPU with 10 bits of mantissa", False, identity=BOTH)
    device_memory: float | None = key(
        "GB (10^9 bytes) of memory of a device, which a run is checked against; null = what "
        "nvidia-smi says, on a CPU the machine's memory / ranks (with those of eval.beside)",
        None,
    )


@dataclass
class TrainConfig(Section):
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
        "what a method that trains on more rows shares with sequential fine-tuning",
        Match.epochs,
        identity=TRAIN,
    )
    max_steps: int | None = key(
        "stop a task after so many steps; null = never", None, identity=TRAIN
    )
    # No identity: it becomes max_steps of the one stage that it is for.
    last_steps: int | None = key(
        "stop the last task of the sequence after so many steps; null = train.max_steps", None
    )
    schedule: LearningRateSchedule = key(
        "how the learning rate falls behind the warm-up",
        LearningRateSchedule.constant,
        identity=TRAIN,
    )
    warmup_ratio: float = key("share of a task's steps with a rising rate", 0.0, identity=TRAIN)
    weight_decay: float = key("AdamW weight decay (not on norms and biases)", 0.0, identity=TRAIN)
    betas: list[float] = key("AdamW betas", factory=lambda: [0.9, 0.95], identity=TRAIN)
    eps: float = key("AdamW epsilon", 1e-8, identity=TRAIN)
    clip: float = key("largest gradient norm; 0 = no clipping", 1.0, identity=TRAIN)
    reset_optimizer: ResetOptimizer = key(
        "when AdamW's moments start anew",
        ResetOptimizer.each_task,
        identity=TRAIN,
    )
    checkpoint_steps: int | None = key(
        "keep a stage that runs after so many steps, for one that is killed; null = by minutes",
        None,
    )
    checkpoint_minutes: float | None = key(
        "the same after so many minutes, whichever comes first; both null = never", 10.0
    )
    figure_steps: int = key(
        "steps between two looks at the strategies' own figures (a penalty, say); 0 = never", 10
    )
    loss_bound: float | None = key(
        "a loss above it ends the stage as diverged, as one that is no number does; null = none",
        None,
    )
    loss_norm: LossNorm = key(
        "what a step's loss is the mean of",
        LossNorm.tokens,
        identity=TRAIN,
    )
    micro_batch_size: int = key("examples a forward pass when rows are padded", 4)
    packing: Packing = key("how rows become batches", Packing.auto)
    pack_tokens: int = key("longest packed row, in tokens; the longest example at least", 2048)
    objective: dict[str, Any] = key(
        "{_target_: name or dotted path of a class} giving a loss per answer token",
        factory=lambda: {"_target_": "cross_entropy"},
    )
