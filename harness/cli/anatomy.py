"""`harness anatomy`: tables of what forgetting is made of."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.arguments import Arguments, results_folder, scores_file
from harness.cli.one_run import add_run, one_run
from harness.cli.say import say
from harness.cli.store import with_store
from harness.config import StoreConfig
from harness.errors import DataError
from harness.results.anatomy.line import lines, lines_table, points_table
from harness.results.anatomy.relearning import curve_table, relearned, relearning_table
from harness.results.anatomy.weights import weights_table
from harness.results.figures.anatomy import (
    items_figure,
    line_figure,
    relearning_figure,
    weights_figure,
)
from harness.results.items.anatomy import histories, items_table
from harness.results.records import RunRecord
from harness.results.report.latex import to_latex
from harness.results.report.printing import Table, grid, to_csv, to_markdown
from harness.results.schema import Scores, read_scores
from harness.run.stored.export import base_folder, model_config
from harness.run.stored.runs import StoredRun, stored_runs
from harness.store.contents import Name
from harness.store.files import write_atomically
from harness.store.store import Store

if TYPE_CHECKING:
    from harness.models.weights.updates import Layer

_DESCRIPTION = """\
Tables of what forgetting is made of, printed and written as Markdown, CSV and LaTeX, with a figure
as PDF, SVG and PNG. items: of a
run, how many items every stage kept, lost and gained, and how many are wrong in their form alone.
weights: of a run, how far each layer went at each stage and in how many directions. relearning:
steps until a lost task is back, of experiment=relearning. line: loss and barriers between two
stages, of experiment=line."""


@dataclass(frozen=True)
class Made:
    """Tables, the first of which is printed, and its figure: suffix -> file."""

    tables: Sequence[Table]
    figure: dict[str, bytes] | None


def main(argv: list[str]) -> int:
    """Print and write the tables that are asked for; returns 0 or raises a HarnessError."""
    options = _parser().parse_args(argv)
    return with_store(options.store, lambda store: _write(store, options))


def _write(store: Store, options: argparse.Namespace) -> int:
    suffix, scores = "", read_scores(options.scores)
    if options.what in _OF_A_RUN:
        record = one_run(store, options)
        suffix = f"_{record.run['run'][:8]}"
        made = _OF_A_RUN[options.what](store, record, scores.digest)
    else:
        made = _OF_ALL[options.what](store, scores)
    shown = made.tables[0]
    files = {
        f"{table.label}{suffix}.{kind}": text(table)
        for table in made.tables
        for kind, text in (("md", to_markdown), ("csv", to_csv), ("tex", to_latex))
    }
    figure = made.figure or {}
    pictures = {f"{shown.label}{suffix}.{kind}": file for kind, file in figure.items()}
    written = [write_atomically(options.out / n, f) for n, f in (files | pictures).items()]
    say(f"{shown.title}\n\n{grid(shown)}\n\n{shown.caption}", *shown.notes)
    for place in written:
        say(f"wrote {place}")
    return 0


def _items(store: Store, record: RunRecord, digest: str) -> Made:
    found = histories(store, record)
    return Made([items_table(record, found, digest)], items_figure(found, digest))


def _weights(store: Store, record: RunRecord, digest: str) -> Made:
    run = stored_runs(store).runs[record.run["run"]]
    lacking: list[int] = []
    stages = dict(_stages(store, run, record, lacking))
    if not stages:
        raise DataError(
            f"run {run.run} has no two stages in a row whose weights are there (store.keep, or "
            "nothing was trained)"
        )
    told = f"Weights that are not there: stage {', '.join(map(str, lacking))}."
    table = weights_table(record, stages, digest, [told] if lacking else [])
    return Made([table], weights_figure(stages, digest))


def _stages(
    store: Store, run: StoredRun, record: RunRecord, lacking: list[int]
) -> "Iterator[tuple[int, list[Layer]]]":
    """(stage, its layers) where this stage and the one before are there; others are `lacking`."""
    from harness.models.weights.updates import layers

    alone = record.run["schedule"] != "sequential"  # each from the initial model
    before: Path | None = None
    for stage in range(1, len(record.run["tasks"]) + 1):
        name = run.model_of(store, stage)
        there = name is not None and store.done(*name) and not store.dropped(*name)
        if name is None or not there:
            before = None
            lacking.append(stage)
            continue
        base, folder = _base(store, name), store.path(*name)
        before = base if stage == 1 or alone else before
        if before is not None:
            yield stage, layers(before, folder, base)
        before = folder


def _base(store: Store, name: Name) -> Path | None:
    return base_folder(store, model_config(store, name))


def _relearning(store: Store, scores: Scores) -> Made:
    found, digest = relearned(scores.rows), scores.digest
    tables = [relearning_table(found, digest), curve_table(found, digest)]
    return Made(tables, relearning_figure(found, digest))


def _line(store: Store, scores: Scores) -> Made:
    found, digest = lines(scores.rows, store), scores.digest
    return Made(
        [lines_table(found, digest), points_table(found, digest)], line_figure(found, digest)
    )


_OF_A_RUN: dict[str, Callable[[Store, RunRecord, str], Made]] = {
    "items": _items,
    "weights": _weights,
}
_OF_ALL: dict[str, Callable[[Store, Scores], Made]] = {"relearning": _relearning, "line": _line}


def _parser() -> Arguments:
    parser = Arguments(prog="harness anatomy", description=_DESCRIPTION)
    root, scores, out = Path(StoreConfig().root), scores_file(), results_folder() / "anatomy"
    parser.add_argument("what", choices=[*_OF_A_RUN, *_OF_ALL], help="of what")
    add_run(parser)
    parser.add_argument("--store", type=Path, default=root, help=f"the store ({root})")
    parser.add_argument("--scores", type=Path, default=scores, help=f"table of scores ({scores})")
    parser.add_argument("--out", type=Path, default=out, help=f"folder to write to ({out})")
    return parser
