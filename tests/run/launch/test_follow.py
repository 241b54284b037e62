"""Groups of ranks that are followed side by side: what becomes of the others when one ends."""

import pytest

from harness.errors import Terminated
from harness.run.events import Event
from harness.run.launch.failure import Failure
from harness.run.launch.group import follow_to_end


class Fake:
    """A group that says of itself how it is."""

    def __init__(self, failed: bool = False, rounds: int = 0) -> None:
        self.failed, self.rounds, self.left = failed, rounds, False
        self.reader = self

    def new(self) -> list[Event]:
        self.rounds -= 1
        return []

    def ended(self) -> bool:
        return self.left or self.rounds < 0

    def failure(self) -> Failure | None:
        return Failure(0, "it died") if self.failed else None

    def ask_to_leave(self) -> None:
        self.left = True


def follow(groups: list[Fake], complete: bool = False) -> tuple[Fake, Failure] | None:
    return follow_to_end(groups, lambda event: None, lambda group: complete)  # type: ignore


def test_who_trains_beside_a_group_that_fails_may_keep_its_stage() -> None:
    training, scoring = Fake(rounds=1000), Fake(failed=True)
    found = follow([training, scoring])
    assert found is not None
    assert found[0] is scoring
    assert (training.left, scoring.left) == (True, False)


def test_who_keeps_its_stage_is_waited_for_though_this_process_has_to_go_too() -> None:
    class Keeping(Fake):
        """Two looks long; with the first one comes a SIGTERM."""

        looks = 0

        def ended(self) -> bool:
            if not self.left:
                return False
            self.looks += 1
            if self.looks == 1:
                raise Terminated("it has to go")
            return self.looks > 2

    training, scoring = Keeping(), Fake(failed=True)
    with pytest.raises(Terminated):
        follow([training, scoring])
    assert (training.looks, scoring.left) == (3, False)


def test_a_rank_that_dies_behind_its_work_breaks_nothing_off() -> None:
    training, scoring = Fake(rounds=3), Fake(failed=True)
    assert follow([training, scoring], complete=True) is None
    assert not training.left
    assert training.rounds < 0
