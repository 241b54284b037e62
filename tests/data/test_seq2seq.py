"""What an encoder-decoder reads and what it is to say: transformers' own shift of labels, row by
row, is the reference."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSeq2SeqLM

from harness.config import ModelConfig, ModelKind
from harness.data.batches import pad_both
from harness.data.encoding import Seq2seqFormat
from harness.models.family import CAUSAL, SEQ2SEQ, family_of, mask_of
from harness.models.loading import load_prompts

EOS = 1
CROSSING = "decoder.block.1.layer.1.EncDecAttention"
ROWS = [("copy: rot blau\nAnswer:", "rot blau"), ("count: a b c\nAnswer:", "3"), ("x", "a b c d")]


@pytest.fixture(scope="module")
def prompts(tiny_t5: Path) -> Seq2seqFormat:
    model = ModelConfig(name="t5", path=str(tiny_t5), kind=ModelKind.seq2seq)
    found = load_prompts(model, tiny_t5)
    assert isinstance(found, Seq2seqFormat)
    return found


@pytest.fixture(scope="module")
def model(tiny_flan: Path) -> Any:
    return AutoModelForSeq2SeqLM.from_pretrained(tiny_flan, dtype=torch.float32)


def test_both_sides_end_with_eos_and_know_nothing_of_each_other(prompts: Seq2seqFormat) -> None:
    tokenizer = prompts.tokenizer
    for prompt, answer in ROWS:
        made = prompts.example(prompt, answer, 64, 32)
        assert made.prompt_ids == tokenizer(prompt)["input_ids"] == prompts.prompt_ids(prompt)
        assert made.answer_ids == tokenizer(answer)["input_ids"]
        assert (made.prompt_ids[-1], made.answer_ids[-1]) == (EOS, EOS)
    # "Answer:" and "3" in one text have other tokens than one after the other may have.
    assert prompts.example("ab", "c", 8, 8).answer_ids == tokenizer("c")["input_ids"]


def test_a_prompt_is_cut_on_the_left_and_keeps_its_end(prompts: Seq2seqFormat) -> None:
    prompt, answer = ROWS[0]
    whole = prompts.prompt_ids(prompt)
    made = prompts.example(prompt, answer, 5, 2)
    assert made.prompt_ids == whole[-5:] == prompts.prompt_ids(prompt, 5)
    assert made.prompt_ids[-1] == EOS
    assert made.answer_ids == prompts.tokenizer(answer)["input_ids"][:2]  # no end: it goes on
    assert (made.prompt_cut, made.answer_cut) == (True, True)


def test_a_batch_equals_its_rows_alone(prompts: Seq2seqFormat, model: Any) -> None:
    examples = [prompts.example(prompt, answer, 64, 32) for prompt, answer in ROWS]
    batch = pad_both(examples, pad_token_id=0, start=0)
    logits = model(**batch.inputs).logits[batch.answer_rows, batch.answer_columns]
    found = cross_entropy(logits, batch.targets, reduction="none")
    alone = []
    for example in examples:
        labels = torch.tensor([example.answer_ids])
        one = model(input_ids=torch.tensor([example.prompt_ids]), labels=labels)
        alone.append(cross_entropy(one.logits[0], labels[0], reduction="none"))
        assert float(one.loss) == pytest.approx(float(alone[-1].mean()), abs=1e-6)
    assert torch.allclose(found, torch.cat(alone), atol=1e-5)
    assert [stop - start - 1 for _, start, stop in batch.spans] == list(map(len, alone))


def test_padding_is_read_by_nobody(prompts: Seq2seqFormat, model: Any) -> None:
    examples = [prompts.example(prompt, answer, 64, 32) for prompt, answer in ROWS]
    both = [pad_both(examples, pad_token_id=pad, start=0) for pad in (0, 7)]
    made = [model(**b.inputs).logits[b.answer_rows, b.answer_columns] for b in both]
    assert torch.equal(*made)


@pytest.mark.parametrize(
    ("layer", "side"),
    [
        ("encoder.block.0.layer.0.SelfAttention.q", "attention_mask"),
        ("decoder.block.0.layer.0.SelfAttention.k", "decoder_attention_mask"),
        (f"{CROSSING}.q", "decoder_attention_mask"),
        (f"{CROSSING}.k", "attention_mask"),
        (f"base_model.model.{CROSSING}.v.lora_A.default", "attention_mask"),
        ("decoder.block.1.layer.2.DenseReluDense.wi_0", "decoder_attention_mask"),
    ],
)
def test_every_layer_sees_the_tokens_of_its_mask(
    layer: str, side: str, prompts: Seq2seqFormat, model: Any
) -> None:
    """The mask is as long as what the layer is given."""
    examples = [prompts.example(prompt, answer, 64, 32) for prompt, answer in ROWS]
    batch = pad_both(examples, pad_token_id=0, start=0)
    found = mask_of(layer, batch)
    assert found is batch.inputs[side]
    seen: list[tuple[int, ...]] = []
    own = layer.removeprefix("base_model.model.").partition(".lora_A")[0]
    handle = model.get_submodule(own).register_forward_hook(
        lambda module, arguments, output: seen.append(tuple(output.shape[:2]))
    )
    model(**batch.inputs)
    handle.remove()
    assert seen == [tuple(found.shape)]


def test_a_family_is_that_of_the_configuration() -> None:
    assert family_of(ModelConfig(name="a", path="b")) is CAUSAL
    assert family_of(ModelConfig(name="a", path="b", kind=ModelKind.seq2seq)) is SEQ2SEQ
