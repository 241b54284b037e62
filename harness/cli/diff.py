"""`harness diff`: what differs between two runs of a store."""

import json
from argparse import Namespace
from pathlib import Path

from harness.cli.arguments import Arguments
from harness.cli.columns import aligned
from harness.cli.say import say
from harness.cli.store import with_store
from harness.config import StoreConfig
from harness.errors import ConfigError, require
from harness.results.records import read_record, record_path
from harness.results.report.printing import DASH
from harness.results.tracing.differing import Part, differences
from harness.results.tracing.told import HASH
from harness.run.stored.runs import find_run, stored_runs
from harness.store.store import Store

_DESCRIPTION = """\
Print what differs between two runs of a store: their columns, configuration, hashes of data,
versions and machines, stages (shared ones have one content key) and headline scores, times 100.
Where a run lies is not compared. Whether scores differ by more than chance `compare` says."""
_LONGEST = 60  # characters of a value that are shown


def main(argv: list[str]) -> int:
    """Print the differences; returns 0 or raises a HarnessError."""
    parser = Arguments(prog="harness diff", description=_DESCRIPTION)
    root = Path(StoreConfig().root)
    parser.add_argument("first", metavar="RUN", help="a run, or the beginning of one")
    parser.add_argument("second", metavar="RUN", help="another one")
    parser.add_argument("--store", type=Path, default=root, help=f"the store ({root})")
    told = "compare the scores of all stages, not those of the last alone"
    parser.add_argument("--every-stage", action="store_true", help=told)
    options = parser.parse_args(argv)
    return with_store(options.store, lambda store: _print(store, options))


def _print(store: Store, options: Namespace) -> int:
    first, second = options.first, options.second
    found = stored_runs(store)
    known = found.runs
    begun = [name for name, run in known.items() if run.about is not None]
    try:
        one, other = (find_run(begun, word) for word in (first, second))
    except ConfigError as error:
        raise ConfigError("; ".join([str(error), *found.damaged[:1]])) from None
    require(one != other, f"RUN {second}: is the same run as {first}; name two")
    records = [read_record(record_path(store, run)) for run in (one, other)]
    say("\n".join(f"{run}: {known[run].name}" for run in (one, other)))
    for part in differences(store, *records, every_stage=options.every_stage):
        say(_told(part))
    return 0


def _told(part: Part) -> str:
    if part.unknown:
        return f"{part.name}: not known, {part.unknown}"
    if not part.apart:
        return f"{part.name}: the same" + (f" ({part.same})" if part.same else ", nothing known")
    head = f"{part.name}: {len(part.apart)} differ, {part.same} are the same"
    right = frozenset({1, 2, 3}) if part.name == "scores" else frozenset[int]()
    return f"{head}\n{aligned([_row(part, name) for name in part.apart], right)}"


def _row(part: Part, name: str) -> tuple[str, ...]:
    pair = part.apart[name]
    if part.name != "scores":
        values = (v[:HASH] if part.name == "data" and v else v for v in pair)
        return f"  {name}", *(_value(value) for value in values)
    points = [None if value is None else 100 * value for value in pair]
    shown = [DASH if value is None else f"{value:.1f}" for value in points]
    gap = DASH if None in points else f"{points[1] - points[0]:+.1f}"
    return f"  {name}", *shown, gap


def _value(value: object) -> str:
    if value is None:
        return DASH
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
