"""The DeepSpeed configuration of a run."""

from typing import Any

from harness.config import EngineConfig, Precision, TrainConfig

NEVER = 10**12


def deepspeed_settings(engine: EngineConfig, train: TrainConfig, parameters: int) -> dict[str, Any]:
    """DeepSpeed's JSON for one engine.

    It sees one row and one accumulation step: `harness.train.passes` places the gradient boundaries
    itself, so that steps over unequal rows stay exact. Buckets never exceed the model, since
    DeepSpeed allocates them whole.
    """
    bucket = max(1, min(parameters, 200_000_000))
    settings: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": train.clip,
        "steps_per_print": NEVER,
        "zero_allow_untested_optimizer": True,
        "zero_optimization": {"stage": engine.zero_stage},
    }
    if engine.zero_stage > 0:
        settings["zero_optimization"] |= {
            "reduce_bucket_size": bucket,
            "allgather_bucket_size": bucket,
            "overlap_comm": False,
        }
    if engine.zero_stage == 3:
        settings["zero_optimization"] |= {
            "stage3_param_persistence_threshold": 10_000,
            "stage3_prefetch_bucket_size": bucket,
        }
        del settings["zero_optimization"]["allgather_bucket_size"]
    if engine.precision is Precision.bf16:
        settings["bf16"] = {"enabled": True}
        if engine.zero_stage > 1:
            settings["data_types"] = {"grad_accum_dtype": "fp32"}
    return settings
