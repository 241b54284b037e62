"""Packed and padded rows give the loss and gradients of examples run one by one."""

import random
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

from harness.config import LossNorm, Packing, Precision, TrainConfig
from harness.data.batches import bins, pad
from harness.data.encoding import Example
from harness.train.engine.probe import packing_fault
from harness.train.passes import step_shares

PADDED = partial(pad, pad_token_id=1)


@pytest.fixture
def model(tiny_model: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)


@pytest.fixture
def examples() -> list[Example]:
    source = random.Random(0)

    def ids(count: int) -> list[int]:
        return [source.randrange(2, 700) for _ in range(count)]

    return [Example(ids(source.randint(1, 30)), ids(source.randint(1, 9))) for _ in range(7)]


def one_by_one(model: torch.nn.Module, examples: list[Example]) -> torch.Tensor:
    """Sum of answer-token losses over whole logits, divided by the answer tokens."""
    total, count = torch.zeros(()), 0
    for example in examples:
        logits = model(torch.tensor([example.prompt_ids + example.answer_ids])).logits[0]
        predicted = logits[len(example.prompt_ids) - 1 : -1]
        total = total + cross_entropy(predicted, torch.tensor(example.answer_ids), reduction="sum")
        count += len(example.answer_ids)
    return total / count


def gradients(model: torch.nn.Module, loss: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "padded"])
@pytest.mark.parametrize("world", [1, 3])
def test_rows_equal_single_examples(
    model: torch.nn.Module, examples: list[Example], packed: bool, world: int
) -> None:
    train = TrainConfig(batch_size=7, learning_rate=1.0, pack_tokens=60, micro_batch_size=3)
    expected = one_by_one(model, examples)
    wanted = gradients(model, expected)
    answer_tokens = sum(len(example.answer_ids) for example in examples)
    loss = torch.zeros(())
    for batch, _ in step_shares(examples, train, packed, world, padded=PADDED):
        if batch is not None:
            logits = model(**batch.inputs).logits[batch.answer_rows, batch.answer_columns]
            loss = loss + cross_entropy(logits, batch.targets, reduction="sum") / answer_tokens
    found = gradients(model, loss)
    assert abs(float((loss - expected).detach())) <= 1e-5
    assert max(float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True)) <= 1e-5


def test_logits_are_computed_at_answers_only(
    model: torch.nn.Module, examples: list[Example]
) -> None:
    train = TrainConfig(batch_size=7, learning_rate=1.0, pack_tokens=500)
    [(batch, _)] = step_shares(examples, train, True, 1, padded=PADDED)
    logits = model(**batch.inputs).logits
    assert logits.shape[1] == sum(len(example.answer_ids) for example in examples)


def test_micro_batch_normalisation_is_the_mean_of_means(examples: list[Example]) -> None:
    train = TrainConfig(
        batch_size=7, learning_rate=1.0, micro_batch_size=3, loss_norm=LossNorm.micro_batch
    )
    shares = step_shares(examples, train, False, 2, padded=PADDED)
    sizes = [None if batch is None else batch.inputs["input_ids"].shape[0] for batch, _ in shares]
    assert sizes == [3, 3, 1, None]  # in the order of the step, filled up for two ranks
    assert {count for _, count in shares} == {3}


def test_bins_are_even_and_bounded() -> None:
    lengths = [50, 10, 40, 30, 20, 50]
    groups = bins(lengths, capacity=60, world=2)
    assert sorted(index for group in groups for index in group) == list(range(6))
    assert len(groups) % 2 == 0
    assert all(sum(lengths[index] for index in group) <= 60 for group in groups)
    assert len(bins([10, 10], capacity=60, world=1)) == 1


def test_an_example_longer_than_a_row_has_one_of_its_length() -> None:
    assert sorted(bins([100, 900, 100, 100], 300, 1)) == [[0, 2, 3], [1]]
    assert bins([], 300, 2) == [[], []]


def test_idle_rows_stay_empty() -> None:
    assert bins([5], capacity=60, world=3) == [[0], [], []]


def test_probe_accepts_llama_and_refuses_learned_positions_that_ignore_packing(
    model: torch.nn.Module,
) -> None:
    from transformers import OPTConfig, OPTForCausalLM

    assert packing_fault(model.eval(), 64, "cpu", Precision.fp32) is None
    torch.manual_seed(0)
    opt = OPTForCausalLM(
        OPTConfig(
            vocab_size=200,
            hidden_size=32,
            ffn_dim=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            word_embed_proj_dim=32,
            max_position_embeddings=64,
            init_std=0.2,
        )
    )
    fault = packing_fault(opt.eval(), 200, "cpu", Precision.fp32)
    assert fault is not None


def test_packing_can_be_switched_off() -> None:
    from harness.train.training import _may_pack

    base = {"batch_size": 1, "learning_rate": 1.0}
    assert _may_pack(TrainConfig(**base), [])
    assert not _may_pack(TrainConfig(**base, packing=Packing.never), [])
    assert not _may_pack(TrainConfig(**base, loss_norm=LossNorm.micro_batch), [])
