"""`harness show`: what was asked and answered at every stage, and what became of the items."""

import argparse
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from harness.cli.arguments import Arguments, scores_file
from harness.cli.columns import aligned
from harness.cli.store import with_store
from harness.config import StoreConfig
from harness.errors import ConfigError, DataError, printable, require
from harness.results.items.anatomy import anatomy_table, rows_of
from harness.results.items.history import History, benchmarks_of, history
from harness.results.items.prompts import prompts_of
from harness.results.records import RunRecord, read_record, record_paths
from harness.results.report.latex import to_latex
from harness.results.report.printing import grid, to_csv, to_markdown
from harness.results.schema import read_scores
from harness.store.files import write_atomically
from harness.store.scores import RunColumns
from harness.store.store import Store

_DESCRIPTION = """\
Without a benchmark: of every benchmark of a run and every stage, how many items are right, kept,
lost and gained, and how many are wrong in their form alone. With one: that of the benchmark, and
its items that were lost, gained or lost in form, a line each. With an item: its prompt, its
reference and the answers of all stages. An item is right where its headline score is 0.5 or more;
lost and gained compare the stage that trained the task (the first one for suites) with the last."""
_WIDTH = 60  # characters of an answer in a list
_FILTERS = {"lost": History.lost, "gained": History.gained, "format_only": History.format_only}
_HEAD = ("stage", "trained", "right", "kept", "lost", "gained", "format", "strict", "lenient")


def main(argv: list[str]) -> int:
    """Print what is asked for; returns 0 or raises a HarnessError."""
    options = _parser().parse_args(argv)
    require(options.item is None or options.benchmark is not None, "an item needs its benchmark")
    return with_store(options.store, lambda store: _show(store, options))


def _show(store: Store, options: argparse.Namespace) -> int:
    record = _run(store, options)
    if options.benchmark is None:
        _anatomy(store, record, options)
        return 0
    found = history(store, record, options.benchmark)
    place = None if options.item is None else found.place_of(options.item)
    print(_heading(found))
    if place is None:
        _list(found, options)
    else:
        _item(found, place, prompts_of(store, found.key))
    return 0


def _run(store: Store, options: argparse.Namespace) -> RunRecord:
    """The one run that is meant. Raises ConfigError that lists those that there are."""
    found = list[RunRecord]()
    for path in record_paths(store):
        with suppress(DataError):
            found.append(read_record(path))
    named = [record for record in found if _is_named(record.run, options)]
    chosen = [record for record in named if options.benchmark in (None, *benchmarks_of(record))]
    if len(chosen or named) == 1:
        return (chosen or named)[0]
    which = chosen or named or found
    told = ", ".join(sorted(_name(record) for record in which)[:8])
    more = f" and {len(which) - 8} more" if len(which) > 8 else ""
    what = "several runs are meant" if named else "there is no such run"
    raise ConfigError(
        f"{what}; choose one by --method, --seed or --run: {told or 'the store has none'}{more}"
    )


def _is_named(run: RunColumns, options: argparse.Namespace) -> bool:
    return (
        run["run"].startswith(options.run or "")
        and options.method in (None, run["method"])
        and options.seed in (None, run["seed"])
    )


def _name(record: RunRecord) -> str:
    run = record.run
    return f"{run['run'][:8]} ({run['method']} seed {run['seed']} on {run['sequence']})"


def _anatomy(store: Store, record: RunRecord, options: argparse.Namespace) -> None:
    digest = "" if options.out is None else read_scores(options.scores).digest
    table = anatomy_table(store, record, digest)
    print(f"{table.title}\n\n{grid(table)}\n\n{table.caption}")
    for suffix, text in (("md", to_markdown), ("csv", to_csv), ("tex", to_latex)):
        if options.out is not None:
            name = f"anatomy_{record.run['run'][:8]}.{suffix}"
            print(f"wrote {write_atomically(options.out / name, text(table))}")


def _heading(found: History) -> str:
    learned = found.stages[found.learned]
    where = f"learned at stage {learned.stage}" if learned.trained else "there from stage 0 on"
    lacking = (
        f"; no predictions of stage {', '.join(map(str, found.lacking))}" if found.lacking else ""
    )
    return (
        f"{found.benchmark} ({found.suite}, {found.metric}), {_name(found.record)}: "
        f"{found.items} items, {where}{lacking}"
    )


def _list(found: History, options: argparse.Namespace) -> None:
    rows = [tuple(str(entry) for entry in (*row[1:3], *row[4:])) for row in rows_of(found)]
    print(aligned([_HEAD, *rows], frozenset({0, *range(2, len(_HEAD))})))
    wanted = [name for name in _FILTERS if getattr(options, name)]
    for name in wanted or _FILTERS:
        _items(found, name.replace("_", " "), _FILTERS[name], options.limit if wanted else 3)


def _items(found: History, name: str, wanted: Callable[[History, int], bool], limit: int) -> None:
    """The items of a kind, the first ones with what they were and became."""
    items = [item for item in range(found.items) if wanted(found, item)]
    print(f"\n{name}: {len(items)} of {found.items}")
    rows = [("item", "reference", "when learned", "in the end", "wrong from")]
    for item in items[:limit]:
        first, last = found.stages[found.learned].sheet, found.stages[-1].sheet
        since = found.lost_at(item)
        at = "" if since is None else f"{since.stage} {since.trained or '(initial)'}"
        texts = (last.targets[item], first.answers[item], last.answers[item])
        rows.append((_number(found, item), *map(_short, texts), at))
    if items:
        print(aligned(rows, frozenset()))
    if len(items) > limit:
        print(f"... and {len(items) - limit} more (--limit)")


def _item(found: History, item: int, prompts: Sequence[str] | None) -> None:
    number, last = _number(found, item), found.stages[-1]
    known = prompts is not None and number.isdecimal() and int(number) < len(prompts)
    asked = prompts[int(number)] if prompts and known else "(its data are not as they were scored)"
    print(f"\nprompt\n{_block(asked)}\n\nreference\n{_block(last.sheet.targets[item])}")
    for scored in found.stages:
        sheet = scored.sheet
        lenient = "" if sheet.lenient is None else f", lenient {sheet.lenient[item]:.2f}"
        mark = "right" if scored.right(item) else "wrong"
        mark = "wrong in form" if scored.format_only(item) else mark
        told = f"{scored.stage} · {scored.trained or '(initial)'} · {mark}"
        print(f"\nstage {told} (strict {sheet.strict[item]:.2f}{lenient})")
        print(_block(sheet.answers[item]))
    since = found.lost_at(item)
    if found.lost(item) and since is not None:
        print(f"\nlost at stage {since.stage}, by training on {since.trained}")
    elif found.gained(item):
        print("\ngained since it was to be learned")


def _number(found: History, item: int) -> str:
    return " ".join(filter(None, found.stages[0].sheet.ids[item]))


def _short(text: str) -> str:
    """In a line of a list, whoever wrote it."""
    shown = printable(text).replace("\n", "⏎").replace("\t", " ")
    return shown if len(shown) <= _WIDTH else f"{shown[: _WIDTH - 1]}…"


def _block(text: str) -> str:
    return textwrap.indent(printable(text) or "(empty)", "    ", lambda line: True)


def _parser() -> Arguments:
    parser = Arguments(prog="harness show", description=_DESCRIPTION)
    root, scores = Path(StoreConfig().root), scores_file()
    parser.add_argument("benchmark", nargs="?", help="a task, or a benchmark of a suite")
    parser.add_argument("item", nargs="?", help="the number of an item")
    parser.add_argument("--method", help="of a run, where the store has several")
    parser.add_argument("--seed", type=int, help="the same")
    parser.add_argument("--run", help="its key, or how that begins")
    for name in _FILTERS:
        told = f"all items that were {name.replace('_', ' ')}"
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=told)
    parser.add_argument("--limit", type=int, default=50, help="items of a list (50)")
    parser.add_argument("--store", type=Path, default=root, help=f"the store ({root})")
    told = f"whose hash the tables of --out name ({scores})"
    parser.add_argument("--scores", type=Path, default=scores, help=told)
    told = "without a benchmark: write the table there, as Markdown, CSV and LaTeX"
    parser.add_argument("--out", type=Path, help=told)
    return parser
