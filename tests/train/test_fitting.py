"""How a step is divided into passes when memory is short, and what is said where none fits."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

from harness.config import EngineConfig, LossNorm, Offload, TrainConfig
from harness.data.encoding import Example
from harness.errors import OutOfMemory, StageFailed
from harness.train.fitting import Division, model_fitting

TRAIN = TrainConfig(batch_size=6, learning_rate=1.0, pack_tokens=100, micro_batch_size=5)
ALIKE = replace(TRAIN, loss_norm=LossNorm.micro_batch)


def rows(*lengths: int, answers: Sequence[int] = ()) -> list[Example]:
    """Examples of so many tokens, of which one is the answer by default."""
    counts = answers or [1] * len(lengths)
    return [Example([2] * (n - k), [3] * k) for n, k in zip(lengths, counts, strict=True)]


def lengths(division: Division, examples: Sequence[Example]) -> list[list[int]]:
    return [[len(example) for example in group] for group, _ in division.passes(examples)]


def test_what_a_pass_takes_at_most() -> None:
    padded = [Division(TRAIN, False, 1, halvings).most for halvings in range(5)]
    assert padded == [5, 3, 2, 1, 1]
    packed = [Division(TRAIN, True, 1, halvings).most for halvings in range(9)]
    assert packed == [100, 50, 25, 13, 7, 4, 2, 1, 1]


def test_packed_rows_have_half_as_many_tokens_but_the_longest_example() -> None:
    examples = rows(40, 30, 20, 10, 10, 10)
    assert lengths(Division(TRAIN, True, 1), examples) == [[40, 10, 10], [30, 20, 10]]
    assert lengths(Division(TRAIN, True, 1, 1), examples) == [[40], [30, 10], [20, 10, 10]]
    # Rows of 40, which is longer than a quarter of 100.
    assert lengths(Division(TRAIN, True, 1, 2), examples) == [[40], [30, 10], [20, 10, 10]]


def test_padded_rows_are_half_as_many_and_all_ranks_have_as_many_passes() -> None:
    examples = rows(9, 3, 5, 7, 4, 8)
    assert lengths(Division(TRAIN, False, 1), examples) == [[3, 4, 5, 7, 8], [9]]
    assert lengths(Division(TRAIN, False, 2, 1), examples) == [[3, 4, 5], [7, 8, 9]]
    assert lengths(Division(TRAIN, False, 4, 2), examples) == [[3, 4], [5, 7], [8, 9], []]


@pytest.mark.parametrize("halvings", range(4))
@pytest.mark.parametrize("world", [1, 2])
def test_micro_batches_that_count_alike_weigh_as_before(halvings: int, world: int) -> None:
    """A loss of its own for every answer token; the mean of the means of five examples and one."""
    examples = rows(9, 9, 9, 9, 9, 9, answers=[1, 2, 3, 4, 5, 6])
    loss = {id(example): 10.0**place for place, example in enumerate(examples)}
    true = (1 + 2 * 10 + 3 * 100 + 4 * 1e3 + 5 * 1e4) / 15 / 2 + 1e5 / 2
    passes = Division(ALIKE, False, world, halvings).passes(examples)
    found = 0.0
    for group, divisor in passes:
        tokens = [loss[id(example)] for example in group for _ in example.answer_ids]
        found += sum(tokens) / len(tokens) / divisor if tokens else 0.0
    assert found == pytest.approx(true, rel=1e-12)
    assert max(len(group) for group, _ in passes) == [5, 3, 2, 1][halvings]
    assert len(passes) % world == 0


def refused_by_the_system() -> None:
    torch.empty(1 << 60, dtype=torch.uint8)


def no_object() -> None:
    bytearray(1 << 62)


def on_a_device() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def by_a_library() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


@pytest.mark.parametrize("runs_out", [refused_by_the_system, no_object, on_a_device, by_a_library])
def test_memory_that_runs_out(runs_out: Callable[[], None]) -> None:
    packed = Division(TRAIN, True, 1)
    line = (
        "^memory does not hold a step with one packed row of 60 tokens in a pass; it is tried with "
        "at most 50 tokens$"
    )
    with pytest.raises(OutOfMemory, match=line), packed.fitting(rows(40, 20), EngineConfig()):
        runs_out()
    line = (
        "^memory does not hold a step with 2 padded rows of 40 tokens in a pass; it is tried with "
        "at most 3 rows$"
    )
    padded = Division(TRAIN, False, 1)
    with pytest.raises(OutOfMemory, match=line), padded.fitting(rows(40, 20), EngineConfig()):
        runs_out()


@pytest.mark.parametrize(
    ("division", "examples"),
    [
        (Division(TRAIN, True, 1), rows(120)),
        (Division(TRAIN, True, 2), rows(40, 20)),  # a rank has one of them
        (Division(TRAIN, True, 1, 1), rows(70, 35, 35)),  # a row of two is as long as the longest
        (Division(TRAIN, False, 1), rows(40)),
        (Division(TRAIN, False, 1, 3), rows(40, 20)),
    ],
)
def test_nothing_is_left_to_halve(division: Division, examples: list[Example]) -> None:
    with (
        pytest.raises(StageFailed, match=r"the least there can be; use engine\.grad") as found,
        division.fitting(examples, EngineConfig()),
    ):
        on_a_device()
    assert not isinstance(found.value, OutOfMemory)


def test_what_is_done_already_is_no_advice() -> None:
    full = EngineConfig(zero_stage=3, offload=Offload.all, gradient_checkpointing=True)
    end = r"; use a lower max_prompt_tokens or max_answer_tokens or a device with more memory \("
    with pytest.raises(StageFailed, match=end), Division(TRAIN, True, 1).fitting(rows(9), full):
        on_a_device()
    line = "^memory does not hold the model and what training keeps beside it; use a device with"
    with pytest.raises(StageFailed, match=line), model_fitting(full):
        on_a_device()


def test_other_errors_are_as_they_were() -> None:
    for error in (RuntimeError("shapes do not match"), OutOfMemory("as told"), ValueError("out")):
        with (
            pytest.raises(type(error)) as found,
            model_fitting(EngineConfig()),
            Division(TRAIN, True, 1).fitting(rows(40, 20), EngineConfig()),
        ):
            raise error
        assert found.value is error


def test_a_stage_says_when_passes_are_smaller() -> None:
    assert Division(TRAIN, True, 1).told() is None
    assert Division(TRAIN, True, 1, 2).told() == (
        "a pass takes at most 25 tokens instead of 100, since more did not fit into memory"
    )
    one = replace(TRAIN, micro_batch_size=1)
    assert Division(one, False, 1, 2).told() is None
