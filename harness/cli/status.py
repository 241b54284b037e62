"""`harness status`: how far all runs of a store are, what runs where, and why something failed."""

from collections import Counter
from pathlib import Path

from harness.cli.arguments import Arguments
from harness.cli.columns import aligned, date
from harness.cli.say import say
from harness.cli.store import with_store
from harness.cli.store.ls import columns, progress
from harness.config import StoreConfig
from harness.run.stored.runs import StoredRun, stored_runs
from harness.run.stored.status import State, states_of
from harness.store.contents import present
from harness.store.status import Status
from harness.store.store import Store

_DESCRIPTION = f"""\
The runs of a store with their status; below, what is worked on by which process since when, and of
runs that failed the last error and the log, of those that diverged the step and its loss. Files are
not read: `harness store verify` does that.
Statuses: {Status.listed()}."""
_HEAD = ("run", "method", "sequence", "seed", "status", "stages", "scores", "last used")


def main(argv: list[str]) -> int:
    """Print the runs; returns 0 or raises a HarnessError."""
    parser = Arguments(prog="harness status", description=_DESCRIPTION)
    root = Path(StoreConfig().root)
    parser.add_argument("--store", type=Path, default=root, help=f"the store ({root})")
    return with_store(parser.parse_args(argv).store, _print)


def _print(store: Store) -> int:
    found, there = stored_runs(store), present(store.root)
    states = states_of(found, store)
    rows = [
        (run.run, *columns(run), state.status, *progress(run, there), date(run.used))
        for run, state in states
    ]
    if rows:
        say(aligned([_HEAD, *rows], frozenset({3, 5, 6})))
    for run, state in states:
        if line := _line(run, state):
            say(line)
    say(*found.damaged)
    counts = Counter(state.status for _, state in states)
    told = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
    say(f"{store.root}: runs: {len(rows)}{f' ({told})' if told else ''}")
    return 0


def _line(run: StoredRun, state: State) -> str:
    """What there is to say of a run that is worked on, that failed or that diverged."""
    if state.who is not None:
        who = f"process {state.who.pid} on {state.who.host}"
        return f"{run.run} running: {state.at}; {who}, since {date(state.who.since)}"
    if state.why:
        return f"{run.run} {state.status}: {state.why}" + (
            f" (log: {state.log})" if state.log else ""
        )
    return ""
