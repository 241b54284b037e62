"""`harness store`: the runs of a store that are not finished, and what stays for them."""

from argparse import Namespace
from pathlib import Path

from harness.cli.arguments import Arguments
from harness.config import StoreConfig
from harness.errors import ConfigError, DataError, require
from harness.results.records import record_paths
from harness.run.readers import Unfinished, forget, require_unfinished, unfinished_runs
from harness.run.retention import drop, weights
from harness.store.store import Store

_DESCRIPTION = """\
List the runs of a store that have work to do. What that work reads is dropped by no other run
(store.keep), until nobody has worked on a run for store.forget_days. --forget ends that at once:
the run's scores stay, and what it needs is trained again if it ever goes on."""


def main(argv: list[str]) -> int:
    """List the runs, or forget some; return 0 or raise."""
    options = _parser().parse_args(argv)
    root: Path = options.store
    require(root.is_dir(), f"--store: there is no folder {root}")
    require(options.days > 0, f"--days={options.days:g}: it must be a positive number")
    if options.weights and not options.forget:
        raise ConfigError("--weights: of which run? add --forget RUN")
    try:
        _work(Store(root), options)
    except OSError as error:  # somebody else's store, say
        raise DataError(f"{error.filename or root}: {error.strerror}") from error
    return 0


def _work(store: Store, options: Namespace) -> None:
    for run in options.forget:
        require_unfinished(store, run)  # all of them, before the first goes
    for run in options.forget:
        _forget(store, run, options)
    if not options.forget:
        _list(store, options.days)
    store.hashes.save()


def _list(store: Store, days: float) -> None:
    runs = unfinished_runs(store)
    count = len(list(record_paths(store)))
    print(f"{store.root}: runs: {count}, not finished: {len(runs)}")
    for run in runs:
        print(f"{run.run}: {run.name}: {run.state}; {_held(store, run, days)}")


def _held(store: Store, run: Unfinished, days: float) -> str:
    if not run.counts(days):
        return f"abandoned (store.forget_days={days:g}), nothing stays for it"
    if run.reads is None:
        return "of an earlier version: as it does not say what it reads, everything stays"
    files = [path for name in run.reads for path in weights(store, name)]
    models = sum(bool(weights(store, name)) for name in run.reads)
    size = sum(path.stat().st_size for path in files) / 1e9
    return f"weights of {models} stages stay for it ({size:.2f} GB)"


def _forget(store: Store, run: str, options: Namespace) -> None:
    alone = forget(store, run)
    there = {name: sum(path.stat().st_size for path in weights(store, name)) for name in alone}
    found = {name: size for name, size in sorted(there.items()) if size}
    if options.weights:
        gone = [name for name in found if drop(store, name, options.days)]
        freed = sum(found[name] for name in gone) / 1e9
        print(
            f"{run}: forgotten; dropped {len(gone)} stages that no other run knows ({freed:.2f} GB)"
        )
        return
    size = sum(found.values()) / 1e9
    print(f"{run}: forgotten; stages of no other run: {len(found)} ({size:.2f} GB; see --weights)")


def _parser() -> Arguments:
    parser = Arguments(prog="harness store", description=_DESCRIPTION)
    root, days = Path(StoreConfig().root), StoreConfig.forget_days
    parser.add_argument("--store", type=Path, default=root, help=f"the store ({root})")
    parser.add_argument("--forget", nargs="+", default=[], metavar="RUN", help="let these go")
    told = "--forget: drop the weights that no other run has made or read as well"
    parser.add_argument("--weights", action="store_true", help=told)
    told = f"what runs have for store.forget_days ({days:g})"
    parser.add_argument("--days", type=float, default=days, help=told)
    return parser
