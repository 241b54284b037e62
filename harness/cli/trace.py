"""`harness trace`: what stands behind a cell of a table."""

from pathlib import Path

from harness.cli.arguments import Arguments, scores_file
from harness.cli.columns import aligned
from harness.cli.say import say
from harness.cli.store import store_if_there
from harness.config import StoreConfig
from harness.errors import DataError
from harness.results.comparing.contributions import Items
from harness.results.comparing.pairing import paired_runs
from harness.results.groups import group_runs
from harness.results.runs import load_runs
from harness.results.schema import read_scores
from harness.results.tracing.quantities import quantity
from harness.results.tracing.told import headline, traced
from harness.results.whose import runs_of

_DESCRIPTION = """\
Print what stands behind a cell of a table: the runs, each score that goes into it with its weight,
the node that scored it and the model that answered, the stages that model was trained in, data
with their hashes, configuration, versions, and where the predictions are. WHAT is a measure (OP,
LA, BWT), a change (delta_general), a cost (tokens), or a task or benchmark; WHOSE is a method as
tables name it, or a run."""


def main(argv: list[str]) -> int:
    """Print the cell; returns 0 or raises a HarnessError."""
    options = _parser().parse_args(argv)
    scores = read_scores(options.scores)
    store = store_if_there(options.store)
    groups = group_runs(paired_runs(load_runs(scores), Items(store)))
    if not groups:
        raise DataError(f"{options.scores}: holds no headline score of a target task")
    label, runs = runs_of(options.whose, groups)
    cell = quantity(options.what, runs, options.stage)
    say(headline(cell, label, runs))
    for run in runs:
        found = traced(cell, run, scores, store)
        lines = [*found.about, *([aligned(found.rows, _RIGHT)] if found.rows else []), *found.below]
        say("\n".join(lines))
    say(f"table: {options.scores}, sha256 {scores.digest}")
    return 0


_RIGHT = frozenset({0, 3, 4, 5})


def _parser() -> Arguments:
    parser = Arguments(prog="harness trace", description=_DESCRIPTION)
    scores, root = scores_file(), Path(StoreConfig().root)
    parser.add_argument("what", metavar="WHAT", help="OP, BWT, delta_general, tokens, a task")
    parser.add_argument("whose", metavar="WHOSE", help="a method, or the beginning of a run")
    parser.add_argument("--stage", type=int, help="of a task or benchmark (the last)")
    parser.add_argument("--scores", type=Path, default=scores, help=f"table of scores ({scores})")
    parser.add_argument("--store", type=Path, help=f"the store ({root})")
    return parser
