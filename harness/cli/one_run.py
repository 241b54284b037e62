"""The one run of a store that a command line means."""

import argparse

from harness.cli.arguments import Arguments
from harness.errors import ConfigError, DataError, suggest
from harness.results.items.places import places_of
from harness.results.records import RunRecord, read_record, record_paths
from harness.store.scores import RunColumns
from harness.store.store import Store

_SHOWN = 8  # runs that a message lists


def add_run(parser: Arguments) -> None:
    """--method, --seed and --run."""
    parser.add_argument("--method", help="of a run, where the store has several")
    parser.add_argument("--seed", type=int, help="the same")
    parser.add_argument("--run", help="its key, or how that begins")


def one_run(store: Store, options: argparse.Namespace, *, having: str | None = None) -> RunRecord:
    """The run that is meant. having: a benchmark; of several runs those with it are meant. Raises
    ConfigError that lists those that there are."""
    found, damaged = list[RunRecord](), list[str]()
    for path in record_paths(store):
        try:
            found.append(read_record(path))
        except DataError as error:
            damaged.append(str(error))
    methods = sorted({record.run["method"] for record in found})
    if options.method is not None and options.method not in methods:
        near = suggest(options.method, methods) if methods else ""
        line = f"--method {options.method}: the store has no run of it{near}"
        raise ConfigError("; ".join([line, *damaged[:1]]))
    named = [record for record in found if _is_named(record.run, options)]
    chosen = [record for record in named if having is None or places_of(record, having)]
    if len(chosen or named) == 1:
        return (chosen or named)[0]
    which = chosen or named or found
    told = ", ".join(sorted(run_name(record) for record in which)[:_SHOWN])
    more = f" and {len(which) - _SHOWN} more" if len(which) > _SHOWN else ""
    what = "several runs are meant" if named else "there is no such run"
    none = f"the store has none{' that can be read' if damaged else ''}"
    line = f"{what}; choose one by --method, --seed or --run: {told or none}{more}"
    raise ConfigError("; ".join([line, *damaged[:1]]))


def run_name(record: RunRecord) -> str:
    """What it is, for people."""
    run = record.run
    return f"{run['run'][:8]} ({run['method']} seed {run['seed']} on {run['sequence']})"


def _is_named(run: RunColumns, options: argparse.Namespace) -> bool:
    return (
        run["run"].startswith(options.run or "")
        and options.method in (None, run["method"])
        and options.seed in (None, run["seed"])
    )
