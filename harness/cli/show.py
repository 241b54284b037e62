"""`harness show`: what was asked and answered at every stage, and what became of the items."""

import argparse
import math
import textwrap
from collections.abc import Callable
from pathlib import Path

from harness.cli.arguments import Arguments
from harness.cli.columns import aligned, cut
from harness.cli.one_run import add_run, one_run, run_name
from harness.cli.say import say
from harness.cli.store import with_store
from harness.config import StoreConfig
from harness.errors import printable, require
from harness.results.items.anatomy import COLUMNS, histories, items_table, rows_of
from harness.results.items.history import History, Scored, history
from harness.results.items.prompts import Prompts, prompt_of, prompts_of
from harness.results.report.printing import DASH, grid
from harness.store.store import Store

_DESCRIPTION = """\
Without a benchmark: of every benchmark of a run and every stage, how many items are right, kept,
lost and gained, and how many are wrong in their form alone. With one: that of the benchmark, and
its items that were lost, gained or lost in form, a line each. With an item: its prompt, its
reference and the answers of all stages. An item is right where its headline score is 0.5 or more;
lost and gained compare the stage that trained the task (the first one for suites) with the last;
where every stage is trained from the initial model, that one with it."""
_WIDTH = 60  # columns of an answer in a list
_FILTERS = {"lost": History.lost, "gained": History.gained, "format_only": History.format_only}
_HEAD = ("stage", "trained", *COLUMNS, "strict", "lenient")


def main(argv: list[str]) -> int:
    """Print what is asked for; returns 0 or raises a HarnessError."""
    options = _parser().parse_args(argv)
    require(options.item is None or options.benchmark is not None, "an item needs its benchmark")
    require(options.limit > 0, f"--limit {options.limit}: it must be 1 or more")
    return with_store(options.store, lambda store: _show(store, options))


def _show(store: Store, options: argparse.Namespace) -> int:
    record = one_run(store, options, having=options.benchmark)
    if options.benchmark is None:
        table = items_table(record, histories(store, record), "")
        say("\n\n".join([table.title, grid(table), " ".join([table.caption, *table.notes])]))
        return 0
    found = history(store, record, options.benchmark)
    place = None if options.item is None else found.place_of(options.item)
    say(_heading(found))
    if place is None:
        _list(found, options)
    else:
        _item(found, place, prompts_of(store, found.key))
    return 0


def _heading(found: History) -> str:
    learned = found.stages[found.learned]
    where = f"learned at stage {learned.stage}" if learned.trained else "there from stage 0 on"
    where = "each stage trained from the initial model" if found.alone else where
    lacking = (
        f"; no predictions of stage {', '.join(map(str, found.lacking))}" if found.lacking else ""
    )
    return (
        f"{found.title} ({found.suite}, {found.metric}), {run_name(found.record)}: "
        f"{found.items} items, {where}{lacking}"
    )


def _list(found: History, options: argparse.Namespace) -> None:
    rows = [tuple(str(entry) for entry in (*row[1:3], *row[4:])) for row in rows_of(found)]
    say(aligned([_HEAD, *rows], frozenset({0, *range(2, len(_HEAD))})))
    if found.ends is None:
        say("\nlost and gained: not defined, there is no stage to compare the last one with")
        return
    wanted = [name for name in _FILTERS if getattr(options, name)]
    for name in wanted or _FILTERS:
        _items(found, name.replace("_", " "), _FILTERS[name], options.limit if wanted else 3)


def _items(found: History, name: str, wanted: Callable[[History, int], bool], limit: int) -> None:
    """The items of a kind, the first ones with what they were and became."""
    items = [item for item in range(found.items) if wanted(found, item)]
    assert found.ends is not None
    say(f"\n{name}: {len(items)} of {found.items}")
    earlier = "at stage 0" if found.alone else "when learned"
    rows = [("item", "reference", earlier, "in the end", "wrong from")]
    for item in items[:limit]:
        first, last = (found.stages[at].sheet for at in found.ends)
        since = found.lost_at(item)
        at = "" if since is None else f"{since.stage} {since.told}"
        texts = (last.targets[item], first.answers[item], last.answers[item])
        rows.append((_number(found, item), *map(_short, texts), at))
    if items:
        say(aligned(rows, frozenset()))
    if len(items) > limit:
        say(f"... and {len(items) - limit} more (--limit)")


def _item(found: History, item: int, prompts: Prompts | None) -> None:
    last = found.stages[-1]
    asked = prompt_of(prompts, *last.sheet.ids[item])
    told = _block("(its data are not as they were scored)" if asked is None else asked)
    say(f"\nprompt\n{told}\n\nreference\n{_block(last.sheet.targets[item])}")
    for scored in found.stages:
        sheet = scored.sheet
        lenient = "" if sheet.lenient is None else f", lenient {_score(sheet.lenient[item])}"
        told = f"{scored.stage} · {scored.told} · {_mark(scored, item)}"
        say(f"\nstage {told} (strict {_score(sheet.strict[item])}{lenient})")
        say(_block(sheet.answers[item]))
    since = found.lost_at(item)
    if found.ends is not None and found.lost(item) and since is not None:
        say(f"\nlost at stage {since.stage}, by training on {since.told}")
    elif found.ends is not None and found.gained(item):
        say("\ngained by training" if found.alone else "\ngained since it was to be learned")


def _mark(scored: Scored, item: int) -> str:
    if scored.format_only(item):
        return "wrong in form"
    return "right" if scored.right(item) else "wrong" if scored.wrong(item) else "not known"


def _score(value: float) -> str:
    return DASH if math.isnan(value) else f"{value:.2f}"


def _number(found: History, item: int) -> str:
    return " ".join(filter(None, found.stages[0].sheet.ids[item]))


def _short(text: str) -> str:
    """In a line of a list, whoever wrote it."""
    return cut(printable(text).replace("\n", "⏎").replace("\t", " "), _WIDTH)


def _block(text: str) -> str:
    return textwrap.indent(printable(text) or "(empty)", "    ", lambda line: True)


def _parser() -> Arguments:
    parser = Arguments(prog="harness show", description=_DESCRIPTION)
    root = Path(StoreConfig().root)
    parser.add_argument(
        "benchmark",
        nargs="?",
        help="a task, or a benchmark of a suite (SUITE/NAME where several are called so)",
    )
    parser.add_argument("item", nargs="?", help="the number of an item")
    add_run(parser)
    for name in _FILTERS:
        told = f"all items that were {name.replace('_', ' ')}"
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true", help=told)
    parser.add_argument("--limit", type=int, default=50, help="items of a list (50)")
    parser.add_argument("--store", type=Path, default=root, help=f"the store ({root})")
    return parser
