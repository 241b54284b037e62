"""Chunks and dealing: pure functions, and what they make of the last stage of TRACE."""

import random

import pytest

from harness.generation.backend import Sampling
from harness.generation.dealing import GENERATED, SHARE, budget, cut, dealt
from harness.generation.requests import Call, Requests, requests_of

BATCH = 32768  # the default of eval.batch_tokens
IN_FLIGHT = 262144  # that of eval.tokens_in_flight
# Benchmark -> items, mean tokens of a prompt, most new tokens (0 = by likelihood), the passes that
# an item takes: the test files of TRACE-5000, and the six general benchmarks of the suite.
LAST_STAGE = {
    "C-STANCE": (2000, 170, 8, 1),
    "FOMC": (496, 80, 8, 1),
    "MeetingBank": (692, 1024, 512, 1),
    "Py150": (2000, 620, 160, 1),
    "ScienceQA": (2000, 110, 512, 1),
    "NumGLUE-cm": (81, 70, 16, 1),
    "NumGLUE-ds": (325, 60, 16, 1),
    "20Minuten": (200, 820, 256, 1),
    "MMLU": (14042, 700, 0, 1),
    "GSM8K": (1319, 1000, 512, 1),
    "BBH": (6511, 900, 512, 1),
    "TyDiQA": (5077, 350, 50, 1),
    "BoolQ": (3270, 160, 0, 1),
    "PIQA": (1838, 40, 0, 2),
}


def lengths(name: str) -> list[int]:
    """Tokens of every pass of a benchmark, answers included, longest first."""
    items, mean, new, passes = LAST_STAGE[name]
    source = random.Random(name)
    drawn = (source.randint(mean // 2, mean + mean // 2) for _ in range(items * passes))
    return sorted((min(1024, one) if mean == 1024 else one) + new for one in drawn)[::-1]


def costs(batch: int = BATCH) -> dict[str, list[int]]:
    """Benchmark -> the costs of its chunks."""
    found = {}
    for name, (_, _, new, _) in LAST_STAGE.items():
        sizes = lengths(name)
        parts = cut(sizes, budget(sum(sizes), batch))
        more = (GENERATED - 1) * new
        found[name] = [sum(sizes[start:end]) + (end - start) * more for start, end in parts]
    return found


def test_the_last_stage_of_trace_keeps_eight_ranks_busy() -> None:
    by_name = costs()
    chunks = [cost for some in by_name.values() for cost in some]
    assert dealt(chunks, 8).utilisation >= 0.9
    for name, some in by_name.items():
        # the most that a kill loses: a few hundredths, or one batch of a small benchmark
        assert max(some) <= max(0.05 * sum(some), GENERATED * BATCH), name


def test_chunks_for_continuous_batching_keep_them_busy_too() -> None:
    by_name = costs(IN_FLIGHT)
    assert dealt([cost for some in by_name.values() for cost in some], 8).utilisation >= 0.9
    # hundreds of rows at once where a benchmark has them: MMLU's are read, BBH's generated
    items, *_ = LAST_STAGE["BBH"]
    assert items / len(by_name["BBH"]) > 150
    assert max(map(max, by_name.values())) <= 0.03 * sum(map(sum, by_name.values()))


def test_whole_benchmarks_in_turn_keep_them_idle() -> None:
    """The measure's other end: what dealing whole cells in turn gave."""
    wholes = [sum(some) for some in costs().values()]
    shares = [sum(wholes[rank::8]) for rank in range(8)]
    assert sum(shares) / (8 * max(shares)) < 0.35


def test_answers_that_end_early_leave_ranks_busy() -> None:
    """Costs count every cap as reached; dealing goes by who is free, whatever really happens."""
    chunks = [cost for some in costs().values() for cost in some]
    source = random.Random(0)
    taken = [cost * source.uniform(0.2, 1.0) for cost in chunks]
    assert dealt(chunks, 8, taken).utilisation >= 0.9


@pytest.mark.parametrize(
    ("pieces", "workers", "makespan"), [([3, 3, 2, 2, 2], 2, 7), ([5], 3, 5), ([1, 1, 1], 1, 3)]
)
def test_dealing_by_hand(pieces: list[int], workers: int, makespan: float) -> None:
    found = dealt(pieces, workers)
    assert found.makespan == makespan
    assert found.utilisation == pytest.approx(sum(pieces) / workers / makespan)


def test_a_chunk_is_whole_batches() -> None:
    assert budget(10, BATCH) == BATCH
    assert budget(SHARE * 3 * BATCH, BATCH) == 3 * BATCH
    assert list(cut([9, 5, 4, 4, 1], 10)) == [(0, 1), (1, 3), (3, 5)]
    assert list(cut([50], 10)) == [(0, 1)]


def test_requests_come_back_as_they_were_asked(tmp_path) -> None:
    how = Sampling(4, stop=("\n",), options={"top_p": 0.5})
    generated = Call(how, [[5, 6], [7], [8, 9, 10], [7]])
    judged = Call(None, [([1, 2], [3]), ([1, 2], [4]), ([1], [2, 9]), ([6], [5])])
    made = requests_of([generated, judged], batch_tokens=7)
    made.save(tmp_path)
    loaded = Requests.load(tmp_path)
    assert loaded.same(made)
    assert len(loaded) == 8
    asked = [[], []]
    for chunk in loaded.chunks:
        call = loaded.of(chunk)
        assert call.how == (how if chunk.call == 0 else None)
        asked[chunk.call].append(call.rows)
    # at most 7 tokens a chunk, longest first; pairs that see the same stay together
    assert asked[0] == [[[8, 9, 10]], [[5, 6]], [[7]], [[7]]]
    assert asked[1] == [[([1, 2], [3]), ([1, 2], [4]), ([1], [2, 9]), ([6], [5])]]
    answers = [loaded.of(chunk).rows for chunk in loaded.chunks]
    assert loaded.gathered(answers) == [generated.rows, judged.rows]
    assert not requests_of([generated], 7).same(made)
    assert not requests_of([generated, judged], 100).same(made)
