"""Several processes, on one machine and on several, work on one store and never on the same node;
what a dead one left goes, what a living one has stays."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.command import beside, refused
from support.places import REPOSITORY
from support.stored import planned

from harness.errors import StageFailed
from harness.store import locks
from harness.store.leases import Leases
from harness.store.store import Store

NODE = ("train", "k")
SILENCE = 3.0  # of the leases that a test waits for
# Takes the lock of NODE, begins to write it, says so, and ends when its input does.
WORKER = """
import sys
from harness.store.store import Store
store = Store(sys.argv[1], silence=float(sys.argv[2]))
with store.locks([("train", "k")]) as held:
    if not held.nodes:
        sys.exit("busy")
    with store.writing("train", "k", {}, held.token) as folder:
        (folder / "a.txt").write_text("half")
        print(folder, flush=True)
        sys.stdin.read()
"""


@contextmanager
def worker(
    store: Path, host: str | None = None, silence: float = 600.0
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process, of another machine if `host` names one, that works on NODE; and its folder."""
    with beside(WORKER, str(store), str(silence), host=host) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())


def lease_file(store: Path) -> Path:
    return next((store / "leases").iterdir())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_locks_exclude_other_processes_and_die_with_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with worker(tmp_path) as (process, folder):
        with store.locks([NODE, ("train", "other")]) as held:
            assert held.nodes == [("train", "other")]
        assert store.holder(*NODE) == f"process {process.pid} on {socket.gethostname()}"
        store.sweep_leftovers()
        assert (folder / "a.txt").read_text() == "half"
        process.kill()
        process.wait()
        with store.locks([NODE]) as held:
            assert held.nodes == [NODE]
        store.sweep_leftovers()
        assert not folder.exists()
    assert list((tmp_path / "leases").iterdir()) == []
    assert list((tmp_path / "locks").iterdir()) == []


def test_locks_of_a_dead_process_are_swept_where_nobody_wants_them(tmp_path: Path) -> None:
    """As those of nodes that it had finished: no run takes them again."""
    with worker(tmp_path) as (process, _):
        Store(tmp_path).sweep_leftovers()
        assert len(list((tmp_path / "locks").iterdir())) == 1
        process.kill()
        process.wait()
        Store(tmp_path).sweep_leftovers()
    assert list((tmp_path / "locks").iterdir()) == []
    assert list((tmp_path / "leases").iterdir()) == []


def test_a_killed_process_that_nobody_has_waited_for_is_dead(tmp_path: Path) -> None:
    with worker(tmp_path) as (process, _):
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        with Store(tmp_path).locks([NODE]) as held:
            assert held.nodes == [NODE]


def test_a_process_that_got_the_number_of_a_dead_one_is_another(tmp_path: Path) -> None:
    with worker(tmp_path) as (_, folder):
        file = lease_file(tmp_path)
        said = json.loads(file.read_text())
        file.write_text(json.dumps(said | {"start": said["start"] - 1}))
        Store(tmp_path).sweep_leftovers()
        assert not folder.exists()


def test_a_stopped_process_of_this_machine_keeps_its_work(tmp_path: Path) -> None:
    """Here it is seen to be there, however long it is silent."""
    with worker(tmp_path, silence=SILENCE) as (process, folder):
        process.send_signal(signal.SIGSTOP)
        file = lease_file(tmp_path)
        os.utime(file, (0, 0))
        store = Store(tmp_path)
        store.sweep_leftovers()
        with store.locks([NODE]) as held:
            assert held.nodes == []
        assert (folder / "a.txt").exists()
        process.send_signal(signal.SIGCONT)


def test_another_machine_keeps_its_work_as_long_as_it_beats(tmp_path: Path) -> None:
    with worker(tmp_path, host="far", silence=SILENCE) as (process, folder):
        file, store = lease_file(tmp_path), Store(tmp_path)
        first = file.stat().st_mtime
        wait_until(lambda: file.stat().st_mtime > first + SILENCE)  # older than it may be silent
        store.sweep_leftovers()
        with store.locks([NODE]) as held:
            assert held.nodes == []
        assert (folder / "a.txt").exists()
        assert store.holder(*NODE) == f"process {process.pid} on far"
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0
    assert store.done(*NODE)


def test_a_killed_process_of_another_machine_is_replaced_after_its_silence(tmp_path: Path) -> None:
    with worker(tmp_path, host="far", silence=SILENCE) as (process, folder):
        process.kill()
        process.wait()
        store = Store(tmp_path)
        store.sweep_leftovers()
        with store.locks([NODE]) as held:
            assert held.nodes == []
        assert folder.exists()

        def is_taken() -> bool:
            with store.locks([NODE]) as held:
                return held.nodes == [NODE]

        wait_until(is_taken)
        store.sweep_leftovers()
        assert not folder.exists()


def test_the_limit_of_a_lease_counts_on_the_file_systems_clock(tmp_path: Path) -> None:
    with worker(tmp_path, host="far") as (process, folder):
        process.kill()
        process.wait()
        file, store = lease_file(tmp_path), Store(tmp_path)
        os.utime(file, (time.time() - 580,) * 2)
        store.sweep_leftovers()
        assert folder.exists()
        assert store.holder(*NODE) == f"process {process.pid} on far, silent for 10 minutes"
        os.utime(file, (time.time() - 620,) * 2)
        store.sweep_leftovers()
        assert not folder.exists()


# Takes one lock again and again and never gives it back: every holder is a dead one for the next.
# Two that hold it at once would meet at the file that only one can make.
TAKER = """
import os, sys
from pathlib import Path
from harness.store import locks
from harness.store.leases import Leases
root, won = Path(sys.argv[1]), 0
leases, lock, inside = Leases(root / "leases"), root / "locks" / "train-k", root / "inside"
sys.stdin.readline()
while won < 25:
    with leases.taken() as token:
        if locks.free(lock, leases.gone) and locks.take(lock, token):
            os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
            inside.unlink()
            won += 1
"""


def test_one_of_many_that_find_a_lock_dead_takes_it_over(tmp_path: Path) -> None:
    (tmp_path / "leases").mkdir()
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, str(tmp_path)],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), "HARNESS_HOST": f"machine{index}"},
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(3)
    ]
    for process in takers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=120)[1] for process in takers]
    assert [process.returncode for process in takers] == [0, 0, 0], told


def test_a_slow_one_does_not_take_over_from_a_faster_one(tmp_path: Path) -> None:
    """Both find the same lease dead; the slow one acts on it when the lock is the other's."""
    lock, dead, fast, slow = tmp_path / "lock", "d" * 16, "f" * 16, "5" * 16
    assert locks.take(lock, dead)

    def gone(token: str) -> bool:
        assert token == dead
        locks.release(lock, dead)
        assert locks.take(lock, fast)
        return True

    assert locks.free(lock, gone)
    assert not locks.take(lock, slow)
    assert locks.holders(lock) == [fast]


def test_a_lock_that_another_one_took_meanwhile_is_not_given_back(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "train-k"
    assert locks.take(lock, "b" * 16)
    locks.release(lock, "a" * 16)
    assert locks.holders(lock) == ["b" * 16]
    assert not locks.take(lock, "a" * 16)
    assert [path.name for path in lock.parent.iterdir()] == ["train-k"]


def test_work_whose_lease_was_lost_is_not_published(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def work() -> None:
        with store.locks([NODE]) as held, store.writing(*NODE, {}, held.token) as folder:
            (folder / "a.txt").write_text("late")
            lease_file(tmp_path).unlink()  # as another machine does that has heard nothing

    with pytest.raises(StageFailed, match="given to another one"):
        work()
    assert list((tmp_path / "train").iterdir()) == []


def test_a_lease_that_is_no_lease_counts_by_its_age(tmp_path: Path) -> None:
    leases = Leases(tmp_path)
    file = tmp_path / f"{'c' * 16}.lease"
    file.write_text("")
    assert not leases.gone("c" * 16)
    os.utime(file, (0, 0))
    assert leases.gone("c" * 16)
    assert not file.exists()


def test_what_carries_no_token_is_left_alone(tmp_path: Path) -> None:
    for name in (".k.1234", ".k.old", ".k.tmp"):
        (tmp_path / "train" / name).mkdir(parents=True)
    Store(tmp_path).sweep_leftovers()
    assert len(list((tmp_path / "train").iterdir())) == 3


def test_how_long_a_lease_may_be_silent_is_a_key(tiny_run: list[str]) -> None:
    leases = planned(tiny_run, "store.silence_minutes=0.5").store.leases
    leases.folder.mkdir(parents=True, exist_ok=True)
    with leases.taken() as token:
        assert json.loads((leases.folder / f"{token}.lease").read_text())["silence"] == 30
    line = "error: store.silence_minutes=0: use 0.1 or more"
    assert refused(*tiny_run, "store.silence_minutes=0") == line
