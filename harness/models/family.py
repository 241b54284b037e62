"""What a family of models does in its own way: which class of transformers loads it, how prompts
and answers become a batch, and what an adapter of it is called. `model.kind` chooses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.config import ModelConfig, ModelKind
from harness.data.batches import MicroBatch, pad, pad_both
from harness.data.encoding import Example, PromptFormat, Seq2seqFormat
from harness.errors import ConfigError, StageFailed

Padded = Callable[[Sequence[Example]], MicroBatch]
# By config.json's model_type: relative positions, one EOS behind every text, a decoder that begins
# with the padding. Other encoder-decoders begin and end their texts otherwise.
T5_KIN = ("t5", "mt5", "umt5")
# Layers of T5's decoder that read what the encoder gave: keys and values of its cross-attention.
_CROSS, _OF_ENCODER = "EncDecAttention", ("k", "v")


@dataclass(frozen=True)
class Family:
    """auto_class: of transformers. adapter_task: what PEFT calls it. packs: may examples share a
    row? relative: does nothing bound how long prompts and answers are? own_names: its layers by the
    names that most causal models have for the same, so that a method's adapter means them."""

    kind: ModelKind
    auto_class: str
    adapter_task: str
    packs: bool
    relative: bool
    own_names: Mapping[str, str] = field(default_factory=dict)

    def layers(self, targets: Sequence[str]) -> list[str]:
        """The layers that an adapter is for, by their names in this family."""
        return [self.own_names.get(target, target) for target in targets]

    def model_class(self) -> Any:
        """transformers' class, which loads a model of it."""
        import transformers

        return getattr(transformers, self.auto_class)

    def padded(self, prompts: PromptFormat) -> Padded:
        """What makes a batch of padded rows of examples that `prompts` encoded."""
        if isinstance(prompts, Seq2seqFormat):
            return lambda examples: pad_both(examples, prompts.pad, prompts.start)
        return lambda examples: pad(examples, prompts.eos_token_id)

    def prompts(self, tokenizer: Any, eos: int, config: Any, chat: bool) -> PromptFormat:
        """How its prompts and answers are encoded; `config` is the model's."""
        if self.kind is ModelKind.causal:
            return PromptFormat(tokenizer, eos, chat)
        start = getattr(config, "decoder_start_token_id", None)
        padding = tokenizer.pad_token_id
        padding = getattr(config, "pad_token_id", None) if padding is None else padding
        if padding is None:
            raise StageFailed("neither the tokenizer nor config.json has a pad_token_id")
        return Seq2seqFormat(tokenizer, eos, padding, padding if start is None else start)


CAUSAL = Family(ModelKind.causal, "AutoModelForCausalLM", "CAUSAL_LM", packs=True, relative=False)
SEQ2SEQ = Family(
    ModelKind.seq2seq,
    "AutoModelForSeq2SeqLM",
    "SEQ_2_SEQ_LM",
    packs=False,
    relative=True,
    own_names={f"{name}_proj": name for name in "qkvo"},
)


def family_of(model: ModelConfig) -> Family:
    """The family that `model.kind` names."""
    return {ModelKind.causal: CAUSAL, ModelKind.seq2seq: SEQ2SEQ}[model.kind]


def require_family(model: ModelConfig, description: Mapping[str, Any], place: str) -> None:
    """Raise ConfigError, which begins with `place`, where a model's config.json (empty: not known)
    says another family than `model.kind`, or none that is there."""
    if not description:
        return
    found, both = description.get("model_type", "this model"), description.get("is_encoder_decoder")
    if both and model.kind is ModelKind.causal:
        raise ConfigError(f"{place}: {found} is an encoder-decoder; use model.kind=seq2seq")
    if not both and model.kind is ModelKind.seq2seq:
        raise ConfigError(f"{place}: {found} is no encoder-decoder; use model.kind=causal")
    if both and found not in T5_KIN:
        raise ConfigError(
            f"{place}: {found} is an encoder-decoder that is not there; model.kind=seq2seq takes "
            + ", ".join(T5_KIN)
        )


def block_count(description: Mapping[str, Any]) -> int | None:
    """Blocks of a model by its config.json, of an encoder-decoder those of both; null where it does
    not tell."""
    if not description.get("is_encoder_decoder"):
        return description.get("num_hidden_layers")
    encoder = description.get("num_layers")
    decoder = description.get("num_decoder_layers") or encoder
    return None if encoder is None else encoder + decoder


def mask_of(layer: str, batch: MicroBatch) -> Any | None:
    """Which of the tokens that a layer sees are there, [rows, tokens]; null = all. `layer`: its
    path in the model."""
    parts = layer.split(".")
    crossing = _CROSS in parts and parts[parts.index(_CROSS) + 1] in _OF_ENCODER
    decoded = "decoder_attention_mask" in batch.inputs and "decoder" in parts and not crossing
    return batch.inputs.get("decoder_attention_mask" if decoded else "attention_mask")
