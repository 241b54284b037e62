"""`harness report`: scores, runs, predictions and findings as one HTML file."""

from pathlib import Path

from harness.cli.arguments import Arguments, results_folder, scores_file
from harness.cli.say import say
from harness.cli.store import store_if_there
from harness.config import StoreConfig
from harness.errors import require
from harness.results.html.predictions import LIMIT
from harness.results.html.write import Wanted, write_html
from harness.results.items.prompts import prompts_of
from harness.results.schema import read_scores
from harness.run.stored.runs import stored_runs
from harness.run.stored.status import states_of
from harness.store.store import Store

_DESCRIPTION = """\
Write the report: one HTML file that needs no network and opens from disk. It holds the tables of
methods and suites, score matrices, figures, those that `anatomy` drew among them, a page per run
(configuration and what sets it apart, loss and gradient norm, times, memory, why it ended), a
browser of predictions and TRACE's findings. It is made of what is there; what is missing is said in
it and printed."""


def main(argv: list[str]) -> int:
    """Write the report and say where it is; return 0 or raise a HarnessError."""
    options = _parser().parse_args(argv)
    require(options.predictions >= 0, f"--predictions {options.predictions}: give 0 or more")
    scores = read_scores(options.scores)
    store = store_if_there(options.store)
    states = {} if store is None else _states(store)
    texts = not options.no_texts
    wanted = Wanted(states, prompts_of, texts, options.predictions, options.anatomy)
    written = write_html(scores, store, wanted, options.out)
    if written.gaps:
        say(f"missing: {'; '.join(written.gaps)}")
    size = written.path.stat().st_size / 1e6
    say(f"wrote {written.path} ({size:.1f} MB, {written.predictions} predictions)")
    return 0


def _states(store: Store) -> dict[str, tuple[str, str]]:
    """Run -> its status and why it ended so, as `status` tells them."""
    states = states_of(stored_runs(store), store)
    return {run.run: (str(state.status), state.why) for run, state in states}


def _parser() -> Arguments:
    parser = Arguments(prog="harness report", description=_DESCRIPTION)
    scores, out = scores_file(), results_folder() / "report.html"
    root, parts = Path(StoreConfig().root), results_folder() / "anatomy"
    parser.add_argument("--scores", type=Path, default=scores, help=f"table of scores ({scores})")
    parser.add_argument("--store", type=Path, help=f"the store ({root})")
    parser.add_argument("--out", type=Path, default=out, help=f"file to write ({out})")
    told = "leave prompts, references and answers out, as the licence of a data set may ask"
    parser.add_argument("--no-texts", action="store_true", help=told)
    told = f"how many predictions it holds at most ({LIMIT})"
    parser.add_argument("--anatomy", type=Path, default=parts, help=f"its figures ({parts})")
    parser.add_argument("--predictions", type=int, default=LIMIT, metavar="N", help=told)
    return parser
