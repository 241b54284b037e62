"""Tables are whole when a command ends; a sweep does not read all runs after each of its jobs."""

from pathlib import Path

import pytest

from harness.results import build
from harness.results.records import record_run
from harness.run import tables
from harness.run.job import Job, make_jobs
from harness.run.tables import RUN_SECONDS, SHARE, Tables, current_tables, table_path


class Clock:
    """A clock on which a rebuild takes `cost` seconds, and nothing else any."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cost: float) -> None:
        self.now, self.rebuilt, self.read = 100.0, 0, 0
        rebuild, read = build.rebuild_table, build.read_record

        def rebuilding(*words):
            self.now += cost
            self.rebuilt += 1
            return rebuild(*words)

        def reading(path):
            self.read += 1
            return read(path)

        monkeypatch.setattr(tables, "rebuild_table", rebuilding)
        monkeypatch.setattr(build, "read_record", reading)
        monkeypatch.setattr(tables.time, "time", lambda: self.now)


def sweep(tiny_run: list[str], count: int) -> list[Job]:
    return make_jobs([[*tiny_run, f"seed={seed}"] for seed in range(count)])


def do(jobs: list[Job], made: Tables) -> None:
    for job in jobs:
        record_run(job.store, job.plan)
        made.note(job)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_records_are_read_as_often_as_there_are_jobs(
    tiny_run: list[str], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Once each, at the end."""
    jobs, clock = sweep(tiny_run, count), Clock(monkeypatch, cost=1.0)
    with current_tables(jobs) as made:
        do(jobs, made)
    assert (clock.rebuilt, clock.read) == (1, count)


def test_a_table_is_rebuilt_while_that_is_a_small_share_of_the_time(
    tiny_run: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, clock = sweep(tiny_run, 1), Clock(monkeypatch, cost=2.0)
    made = Tables(jobs)
    do(jobs, made)
    assert clock.rebuilt == 0
    clock.now += RUN_SECONDS / SHARE + 0.01
    do(jobs, made)
    assert clock.rebuilt == 1
    clock.now += 2.0 / SHARE - 0.1
    do(jobs, made)
    assert clock.rebuilt == 1
    clock.now += 0.2
    do(jobs, made)
    assert clock.rebuilt == 2
    made.finish()  # nothing was done since
    assert clock.rebuilt == 2


def test_a_table_is_whole_however_a_command_ends(
    tiny_run: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, clock = sweep(tiny_run, 3), Clock(monkeypatch, cost=1.0)

    def interrupted() -> None:
        with current_tables(jobs) as made:
            do(jobs[:2], made)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (clock.rebuilt, clock.read) == (1, 2)


def test_what_a_killed_command_did_not_tell_the_next_one_does(
    tiny_run: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, clock = sweep(tiny_run, 2), Clock(monkeypatch, cost=1.0)
    do(jobs, Tables(jobs))  # and its process is gone
    with current_tables(jobs[:1]):
        pass
    assert clock.read == 2  # the next command has one job, and its table both runs


def test_jobs_of_other_processes_are_in_the_table_at_the_end(
    tiny_run: list[str], tmp_path: Path
) -> None:
    """A launcher of Hydra's calls its jobs there: this process notes none."""
    jobs = sweep(tiny_run, 2)
    with current_tables(jobs):
        do(jobs, Tables(jobs))
        table_path(jobs[0]).unlink(missing_ok=True)
    assert table_path(jobs[0]).is_file()
