"""Where weights lie and in which type: what does not go together; imports no torch."""

from importlib.util import find_spec

from harness.config import BetweenTasks, HarnessConfig, Offload, Quantization, Schedule
from harness.errors import mistakes_of, require


def weight_mistakes(config: HarnessConfig) -> list[str]:
    """Offload and quantization, one line per mistake."""
    return mistakes_of(lambda: _check_offload(config), lambda: _check_quantization(config))


def _check_offload(config: HarnessConfig) -> None:
    offload, stage = config.engine.offload, config.engine.zero_stage
    whole = offload is Offload.all and stage < 3
    require(not whole, "engine.offload=all needs ZeRO 3, which cuts the weights; use engine=zero3")
    cut = offload is Offload.none or stage > 0
    require(cut, f"engine.offload={offload.value} needs ZeRO 1-3; use engine=zero2")


def _check_quantization(config: HarnessConfig) -> None:
    kind, method = config.model.quantization, config.method
    if kind is Quantization.none:
        return
    place = f"model.quantization={kind.value}"
    trained = method.adapter is not None or method.schedule is Schedule.none
    require(trained, f"{place}: only adapters are trained on it; use method=lora_seqft")
    kept = method.adapter is None or method.adapter.between_tasks is BetweenTasks.keep
    require(kept, f"{place}: nothing is merged into it; use method.adapter.between_tasks=keep")
    whole = config.engine.zero_stage < 3
    require(whole, f"{place}: ZeRO 3 cuts no 4-bit weights; use engine=zero2")
    there = find_spec("bitsandbytes") is not None
    require(there, f"{place} needs the package bitsandbytes: pip install 'bitsandbytes>=0.47'")
