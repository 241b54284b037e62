"""`harness tables`: regenerate every table and figure from the tidy table of scores."""

from pathlib import Path

from harness.cli.arguments import Arguments, results_folder, scores_file
from harness.cli.say import say
from harness.cli.store import store_if_there
from harness.config import StoreConfig
from harness.errors import DataError
from harness.results.comparing.best import items_of
from harness.results.comparing.pairing import paired_runs
from harness.results.figures.beside import Beside
from harness.results.groups import group_runs
from harness.results.report.terminal import main_table_markdown
from harness.results.report.write import write_report
from harness.results.runs import load_runs
from harness.results.schema import read_scores
from harness.results.trust import Trust

_DESCRIPTION = """\
Write the main table, the score matrix of every run-group, the suites by benchmark, where several
rates were tried the one chosen for every method, as Markdown, CSV and LaTeX, and figures as PDF,
SVG and PNG, from the table of scores. Below each table a line says what is known of its runs: for
their data, and for what is marked as not told from the best, the store is looked at, where there is
one."""


def main(argv: list[str]) -> int:
    """Write all tables and plots, print the main table and the paths; return 0 or raise."""
    options = _parser().parse_args(argv)
    scores = read_scores(options.scores)
    store = store_if_there(options.store)
    items = items_of(scores, store)
    groups = group_runs(paired_runs(load_runs(scores), items))
    if not groups:
        raise DataError(f"{options.scores}: holds no headline score of a target task")
    trust = Trust(store, options.scores.parent)
    beside = Beside.of(scores)
    written = list(write_report(groups, scores.digest, options.out, trust, beside, items))
    say(main_table_markdown(scores, store))
    say(trust.line(groups))
    say(*(f"wrote {path}" for path in written))
    if not any(group.runs for group in groups):
        say("no run is complete: there is nothing to draw")
    return 0


def _parser() -> Arguments:
    parser = Arguments(prog="harness tables", description=_DESCRIPTION)
    scores, out, root = scores_file(), results_folder(), Path(StoreConfig().root)
    parser.add_argument("--scores", type=Path, default=scores, help=f"table of scores ({scores})")
    parser.add_argument("--out", type=Path, default=out, help=f"folder to write to ({out})")
    parser.add_argument("--store", type=Path, help=f"the store ({root})")
    return parser
