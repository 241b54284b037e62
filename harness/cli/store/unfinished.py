"""`harness store unfinished`: the runs that are not finished, and what stays for them."""

from argparse import Namespace

from harness.cli.arguments import Arguments
from harness.cli.say import say
from harness.config import StoreConfig
from harness.errors import require
from harness.results.records import record_paths
from harness.run.readers import Unfinished, unfinished_runs
from harness.run.retention import weights
from harness.store.store import Store

DESCRIPTION = """\
List the runs of a store that have work to do. What that work reads is dropped by no other run
(store.keep), until nobody has worked on a run for store.forget_days; `harness store forget` ends
that at once."""


def arguments(parser: Arguments) -> None:
    """Options beside --store."""
    add_days(parser)


def add_days(parser: Arguments) -> None:
    """--days."""
    days = StoreConfig.forget_days
    told = f"what runs have for store.forget_days ({days:g})"
    parser.add_argument("--days", type=float, default=days, help=told)


def require_days(options: Namespace) -> None:
    """Raise ConfigError for days that are none."""
    require(options.days > 0, f"--days={options.days:g}: it must be a positive number")


def work(store: Store, options: Namespace) -> int:
    """Print a line for each; returns 0."""
    require_days(options)
    runs = unfinished_runs(store)
    count = len(list(record_paths(store)))
    say(f"{store.root}: runs: {count}, not finished: {len(runs)}")
    for run in runs:
        say(f"{run.run}: {run.name}: {run.state}; {_held(store, run, options.days)}")
    return 0


def _held(store: Store, run: Unfinished, days: float) -> str:
    if not run.counts(days):
        return f"abandoned (store.forget_days={days:g}), nothing stays for it"
    if run.reads is None:
        return "of an earlier version: as it does not say what it reads, everything stays"
    files = [path for name in run.reads for path in weights(store, name)]
    models = sum(bool(weights(store, name)) for name in run.reads)
    size = sum(path.stat().st_size for path in files) / 1e9
    return f"weights of {models} stages stay for it ({size:.2f} GB)"
