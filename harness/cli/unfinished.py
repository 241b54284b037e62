"""What a command that ran jobs says at its end: which are complete, and why others are not."""

from contextlib import suppress
from pathlib import Path

from harness.cli.say import say
from harness.errors import DataError
from harness.run.job import Job, Sweep
from harness.run.pending import pending_nodes
from harness.store.files import write_atomically
from harness.store.layout import LOGS
from harness.store.status import Status
from harness.store.work import Work


def leave_reason(job: Job, reason: str) -> None:
    """Tell the process that reports, which may be another one, why a job ended early. What cannot
    be written (a full disk) is told on standard error alone."""
    with suppress(DataError):
        write_atomically(_reason(job), reason)


def forget_reason(job: Job) -> None:
    """A job begins anew."""
    _reason(job).unlink(missing_ok=True)


def _reason(job: Job) -> Path:
    return job.store.root / LOGS / f"{job.plan.run['run']}.failed"


def report_unfinished(sweep: Sweep) -> int:
    """Exit code 1 (in a sweep, one line per job) unless everything that was asked for is there."""
    jobs = sweep.jobs
    missing = [pending_nodes(job.config, job.store, job.plan) for job in jobs]
    unfinished = sum(map(bool, missing)) + len(sweep.refused)
    if len(jobs) == 1 and not sweep.refused:
        return 1 if unfinished else 0
    for job, nodes in zip(jobs, missing, strict=True):
        say(f"{job.name}: {_state(job, nodes)}")
    for job in sweep.refused:
        say(*(f"{job.name}: {Status.skipped}: {line}" for line in job.lines))
    total = len(jobs) + len(sweep.refused)
    say(f"{total - unfinished} of {total} jobs complete")
    if any(missing):
        say("the same command does what is missing")
    return 1 if unfinished else 0


def _state(job: Job, nodes: list[Work]) -> str:
    if not nodes:
        return "complete"
    why, told = _reason(job), ""
    if why.is_file():
        told = f"; failed: {why.read_text(encoding='utf-8')}"
    return f"{len(nodes)} nodes missing, first: {nodes[0].label}{told}"
