"""What a command makes of ranks that failed: which failures have another try, and how many."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.stored import known, planned

from harness.errors import Diverged, OutOfMemory, StageFailed
from harness.run import faults as policy
from harness.run.events import Event
from harness.run.faults import Faults
from harness.run.halvings import known_halvings
from harness.run.job import Job
from harness.run.launch.failure import Failure, Fault, failure_of, note_failure
from harness.store.broken import broken_work
from harness.store.status import Status
from harness.store.work import EvalWork, TrainWork

LOG = Path("rank1.log")


@pytest.fixture
def job(tiny_run: list[str], monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(policy, "PAUSE_SECONDS", 0.0)
    return known(planned(tiny_run))


def faults(job: Job, heard: list[Event] | None = None, **run: int) -> Faults:
    config = replace(job.config, run=replace(job.config.run, **run))
    return Faults(config, job.store, "r", (heard if heard is not None else []).append)


def of(kind: Fault) -> Failure:
    return Failure(1, "it was so", kind=kind)


def lines(heard: list[Event]) -> list[str]:
    return [event.notice.line for event in heard if event.notice is not None]


@pytest.mark.parametrize("kind", [Fault.lost, Fault.hung])
def test_what_may_pass_is_tried_again_so_often_for_each_piece_of_work(
    kind: Fault, job: Job
) -> None:
    heard = list[Event]()
    met, (first, second) = faults(job, heard), job.plan.of(TrainWork)
    kept = job.store.partial_path("train", first.key)
    met.meet(first, of(kind), LOG)
    (kept / "step-40").mkdir(parents=True)
    met.meet(first, of(kind), LOG)
    met.meet(second, of(kind), LOG)
    with pytest.raises(StageFailed) as caught:
        met.meet(first, of(kind), LOG)
    assert str(caught.value) == "stage 1, train copy: it was so (log: rank1.log)"
    begun = "stage 1, train copy: it was so (log: rank1.log); launched again"
    assert lines(heard) == [
        f"{begun} from its beginning, 1 of 2 times (run.retries)",
        f"{begun} from step 40, 2 of 2 times (run.retries)",
        "stage 2, train count: it was so (log: rank1.log); launched again from its beginning, "
        "1 of 2 times (run.retries)",
    ]
    assert len({event.notice.topic for event in heard if event.notice}) == 3
    told = broken_work(job.store, ("train", first.key))
    assert told is not None
    assert (told.status, told.told) == (Status.failed, "stage 1, train copy: it was so")


@pytest.mark.parametrize(
    ("kind", "again", "retries"),
    [(Fault.error, True, 2), (Fault.lost, False, 2), (Fault.lost, True, 0)],
)
def test_what_is_the_end(kind: Fault, again: bool, retries: int, job: Job) -> None:
    """An error that would come again; ranks that are not ours to start; where nobody wants it."""
    with pytest.raises(StageFailed, match="it was so"):
        faults(job, retries=retries).meet(job.plan.of(TrainWork)[0], of(kind), LOG, again)


def test_training_that_does_not_fit_takes_half_the_tokens_and_that_is_remembered(job: Job) -> None:
    heard = list[Event]()
    met, (first, second) = faults(job, heard, retries=0), job.plan.of(TrainWork)
    assert met.halvings == 0
    for expected in (1, 2):
        met.meet(first, of(Fault.memory), LOG)
        assert met.halvings == expected
    assert lines(heard)[1].endswith("with 1/4 of the tokens that a pass has otherwise")
    assert faults(job).halvings == 0  # nothing says yet that it helps
    met.done([job.plan.of(EvalWork)[0]])
    assert faults(job).halvings == 0
    met.done([first])
    assert faults(job).halvings == 2  # a later command
    other = replace(job.config, train=replace(job.config.train, pack_tokens=64))
    assert known_halvings(other, job.store) == 0
    for _ in range(20):
        try:
            met.meet(second, of(Fault.memory), LOG)
        except StageFailed:
            break
    else:
        pytest.fail("it was halved without an end")


def test_what_the_kernel_ends_is_tried_with_less_and_as_often_as_what_is_lost(job: Job) -> None:
    heard = list[Event]()
    met, first = faults(job, heard, retries=1), job.plan.of(TrainWork)[0]
    met.meet(first, of(Fault.starved), LOG)
    told = "with 1/2 of the tokens that a pass has otherwise, 1 of 1 times (run.retries)"
    assert lines(heard)[0].endswith(told)
    with pytest.raises(StageFailed):
        met.meet(first, of(Fault.starved), LOG)
    assert faults(job).halvings == 0


def test_scoring_that_was_killed_for_want_of_memory_is_tried_as_it_was(job: Job) -> None:
    met, scoring = faults(job, retries=1), job.plan.of(EvalWork)[0]
    met.meet(scoring, of(Fault.starved), LOG)
    assert met.halvings == 0
    with pytest.raises(StageFailed):
        met.meet(scoring, of(Fault.starved), LOG)


@pytest.mark.parametrize(("loss", "stays"), [(float("nan"), False), (12.5, True)])
def test_a_divergence_is_remembered_and_no_number_takes_its_checkpoint_along(
    loss: float, stays: bool, job: Job
) -> None:
    work = job.plan.of(TrainWork)[0]
    kept = job.store.partial_path("train", work.key) / "step-2"
    kept.mkdir(parents=True)
    faults(job).meet(work, replace(of(Fault.diverged), step=17, loss=loss), LOG)
    told = broken_work(job.store, ("train", work.key))
    assert told is not None
    assert told.told == f"stage 1, train copy: diverged at step 17 (loss {loss:g})"
    assert kept.exists() == stays


def test_a_rank_tells_of_which_kind_its_error_is(tmp_path: Path) -> None:
    kinds = {
        Diverged("d", 3, float("inf")): Fault.diverged,
        OutOfMemory("o"): Fault.memory,
        ValueError("v"): Fault.error,
    }
    for error, kind in kinds.items():
        note_failure(tmp_path, 0, error)
        assert failure_of(tmp_path, 0, 1).kind is kind
    note_failure(tmp_path, 0, Diverged("d", 3, float("inf")))
    told = failure_of(tmp_path, 0, 1)
    assert (told.step, told.loss) == (3, float("inf"))
