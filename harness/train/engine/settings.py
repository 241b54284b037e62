"""The DeepSpeed configuration of a run."""

from typing import Any

from harness.config import EngineConfig, Offload, Precision, TrainConfig

NEVER = 10**12


def deepspeed_stage(engine: EngineConfig) -> int:
    """The ZeRO stage that DeepSpeed is asked for. Its stage 1 adds a step's bf16 gradients up in
    bf16; stage 2 does it in fp32, of the same pieces and with less memory."""
    in_bf16 = engine.precision is Precision.bf16
    return 2 if engine.zero_stage == 1 and in_bf16 else engine.zero_stage


def deepspeed_settings(
    engine: EngineConfig, train: TrainConfig, parameters: int, device: str
) -> dict[str, Any]:
    """DeepSpeed's JSON for one engine.

    It sees one row and one accumulation step: `harness.train.passes` places the gradient boundaries
    itself, so that steps over unequal rows stay exact. Buckets never exceed the model, since
    DeepSpeed allocates them whole.
    """
    stage, bucket = deepspeed_stage(engine), max(1, min(parameters, 200_000_000))
    zero: dict[str, Any] = {"stage": stage}
    if stage > 0:
        zero |= {"reduce_bucket_size": bucket, "overlap_comm": False}
        zero |= _offloaded(engine, device)
    if stage == 3:
        zero |= {
            "stage3_param_persistence_threshold": 10_000,
            "stage3_prefetch_bucket_size": bucket,
        }
    elif stage > 0:
        zero["allgather_bucket_size"] = bucket
    settings: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": train.clip,
        "steps_per_print": NEVER,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "zero_optimization": zero,
    }
    if engine.precision is Precision.bf16:
        settings["bf16"] = {"enabled": True}
        settings["data_types"] = {"grad_accum_dtype": "fp32"}
    return settings


def loading_device(engine: EngineConfig, device: str) -> str:
    """Where a model is loaded that DeepSpeed will take: where it will run, so that the host never
    holds a whole one, unless its weights stay in host memory."""
    return "cpu" if engine.offload is Offload.all else device


def _offloaded(engine: EngineConfig, device: str) -> dict[str, Any]:
    """What lies in host memory; pinned where a GPU copies from it."""
    place = {"device": "cpu", "pin_memory": device.startswith("cuda")}
    found = {}
    if engine.offload is not Offload.none:
        found["offload_optimizer"] = place
    if engine.offload is Offload.all:
        found["offload_param"] = place
    return found
