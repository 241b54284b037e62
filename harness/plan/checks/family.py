"""What is not defined for a family of models: methods and settings, one line each."""

from collections.abc import Iterator
from pathlib import Path

from harness.config import Attention, EvalBackend, HarnessConfig, ModelKind, Quantization
from harness.errors import ConfigError, mistakes_of
from harness.methods.edits.loading import load_edit
from harness.methods.loading import load_strategies
from harness.models.gguf.converted import is_gguf

# Attention functions that take T5's biases of positions.
_BIASED = (Attention.sdpa, Attention.eager)


def family_mistakes(config: HarnessConfig) -> list[str]:
    """What a run asks for that its model's family does not have."""
    found = mistakes_of(lambda: _check_methods(config))
    return found if config.model.kind is ModelKind.causal else [*found, *_settings(config)]


def _check_methods(config: HarnessConfig) -> None:
    kind = config.model.kind
    for name, strategy in load_strategies(config.method).items():
        families = strategy.needs().families
        if kind not in families:
            known = " or ".join(families)
            raise ConfigError(
                f"method.{name} is not defined for model.kind={kind}; use a model of kind {known}"
            )
    for name, spec in config.method.edits.items():
        if kind is not ModelKind.causal and load_edit(spec, f"method.{name}").split:
            raise ConfigError(
                f"method.{name} learns from rows, which is not defined for model.kind={kind}; use "
                "a model of kind causal"
            )


def _settings(config: HarnessConfig) -> Iterator[str]:
    """Settings that are defined for causal models alone."""
    model, place = config.model, f"model.kind={config.model.kind}"
    if model.chat_template:
        yield f"model.chat_template=true: {place} has no chat template; use false"
    if model.attention not in _BIASED:
        yield (
            f"model.attention={model.attention}: it does not take the biases of positions that "
            f"{place} has; use sdpa or eager"
        )
    if model.quantization is not Quantization.none:
        yield f"model.quantization={model.quantization} is for model.kind=causal; use none"
    if is_gguf(model.path):
        yield f"model.path: {Path(model.path).name} is read of model.kind=causal alone"
    if config.eval.backend is not EvalBackend.hf:
        yield f"eval.backend={config.eval.backend} answers model.kind=causal alone; use hf"
