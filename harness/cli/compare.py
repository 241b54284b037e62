"""`harness compare`: is a method better than another? Paired differences over seeds and items."""

from collections.abc import Sequence
from pathlib import Path

from harness.cli.arguments import Arguments, results_folder, scores_file
from harness.cli.say import say
from harness.config import StoreConfig
from harness.errors import ConfigError, require, suggest
from harness.results.comparing.compare import compare, comparison_table, left_out, setting_of
from harness.results.comparing.contributions import Items
from harness.results.groups import Group, group_runs
from harness.results.report.latex import to_latex
from harness.results.report.printing import grid, to_csv, to_markdown
from harness.results.runs import load_runs
from harness.results.schema import read_scores
from harness.results.whose import plain_method
from harness.store.files import write_atomically
from harness.store.store import Store

_DESCRIPTION = """\
Compare methods with a baseline by OP, LA, BWT and the changes of suites: the difference over the
seeds that both have, paired by seed and, where the store has the predictions, by item; its 95%
interval, p adjusted over the methods, a verdict, and the smallest difference that such data would
show. With one seed it speaks of items alone. Both have to be of one model, sequence, protocol and
data."""

_CHOICES = ("model", "sequence", "protocol")


def main(argv: list[str]) -> int:
    """Print the comparison, write it to tables/; returns 0 or raises a HarnessError."""
    options = _parser().parse_args(argv)
    names = [options.method, *options.more]
    require(options.baseline not in names, f"{options.baseline}: it is its own baseline")
    scores = read_scores(options.scores)
    groups = group_runs(load_runs(scores))
    baseline = _group(groups, options.baseline, options)
    methods = [_group(groups, name, options) for name in dict.fromkeys(names)]
    store = Store(options.store) if options.store.is_dir() else None
    rows = compare(methods, baseline, Items(store))
    table = comparison_table(rows, scores.digest, left_out(rows, methods, baseline))
    say(grid(table), table.caption, *table.notes)
    for suffix, text in (("md", to_markdown), ("csv", to_csv), ("tex", to_latex)):
        place = options.out / "tables" / f"comparison.{suffix}"
        say(f"wrote {write_atomically(place, text(table))}")
    return 0


def _group(groups: Sequence[Group], name: str, options: object) -> Group:
    """The runs of a method. Raises ConfigError where it has none that are complete, or several
    models, sequences or protocols."""
    wanted = {name: getattr(options, name) for name in _CHOICES}
    chosen = {name: word for name, word in wanted.items() if word is not None}
    mine = [group for group in groups if chosen.items() <= setting_of(group).items()]
    found = [group for group in mine if group.method == name]
    found = found or [group for group in mine if plain_method(group.method) == name]
    if len({group.method for group in found}) > 1:
        told = ", ".join(sorted(f"'{group.method}'" for group in found))
        raise ConfigError(f"{name} was run with several settings: {told}; name one of these")
    if not found:
        known = sorted({group.method for group in mine})
        raise ConfigError(f"no runs of method '{name}'" + suggest(name, known))
    if len(found) > 1:
        settings = [setting_of(group) for group in found]
        options_of = [key for key in _CHOICES if len({one[key] for one in settings}) > 1]
        places = " / ".join(", ".join(f"{k} {one[k]}" for k in options_of) for one in settings)
        told = " and ".join(f"--{key}" for key in options_of)
        raise ConfigError(f"{name} has several groups of runs: {places}; choose by {told}")
    require(bool(found[0].runs), f"{name}: none of its runs is complete")
    return found[0]


def _parser() -> Arguments:
    parser = Arguments(prog="harness compare", description=_DESCRIPTION)
    scores, out, root = scores_file(), results_folder(), Path(StoreConfig().root)
    parser.add_argument("method", help="as tables call it")
    parser.add_argument("baseline", help="what it and all others are compared with")
    parser.add_argument("more", nargs="*", default=[], help="further methods")
    parser.add_argument("--model", help="where there are several")
    parser.add_argument("--sequence", help="the same")
    parser.add_argument("--protocol", help="the same; none: runs that name no protocol")
    parser.add_argument("--scores", type=Path, default=scores, help=f"table of scores ({scores})")
    parser.add_argument("--store", type=Path, default=root, help=f"for predictions ({root})")
    parser.add_argument("--out", type=Path, default=out, help=f"folder to write to ({out})")
    return parser
