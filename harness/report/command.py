"""`harness tables`: regenerate every table and heat map from the tidy table of scores."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import DataError
from harness.files import write_atomically
from harness.metrics.arguments import Arguments
from harness.report.heatmap import heatmap_png
from harness.report.rates import rates_table
from harness.report.runs import Group, group_runs, load_runs
from harness.report.schema import read_scores, scores_digest
from harness.report.table import Table, to_csv, to_latex, to_markdown
from harness.report.tables import main_table, main_table_markdown, matrix_table, suites_table

_DESCRIPTION = """\
Write the main table, the score matrix of every run-group, the suites by benchmark, where several
rates were tried the one chosen for every method, as Markdown, CSV and LaTeX, and a heat map of
every matrix, from the table of scores alone."""


def main(argv: list[str]) -> int:
    """Write all tables and plots, print the main table and the paths; return 0 or raise."""
    options = _parser().parse_args(argv)
    frame = read_scores(options.scores)
    groups = group_runs(load_runs(frame))
    if not groups:
        raise DataError(f"{options.scores}: holds no headline score of a target task")
    written = list(write_report(groups, scores_digest(frame), options.out))
    print(main_table_markdown(frame))
    print(*(f"wrote {path}" for path in written), sep="\n")
    return 0


def write_report(groups: Sequence[Group], digest: str, out: Path) -> Iterator[Path]:
    """Write tables to out/tables and heat maps to out/plots; yields each path once written."""
    names = matrix_names(groups)
    tables: list[tuple[str, Table]] = [("main", main_table(groups, digest))]
    tables += [(name, matrix_table(group, digest, name)) for name, group in names.items()]
    tables.append(("suites", suites_table(groups, digest)))
    rates = rates_table([run for group in groups for run in group.runs], digest)
    tables += [("rates", rates)] if rates else []
    for name, table in tables:
        for suffix, text in (("md", to_markdown), ("csv", to_csv), ("tex", to_latex)):
            yield write_atomically(out / "tables" / f"{name}.{suffix}", text(table))
    for name, group in names.items():
        yield write_atomically(out / "plots" / f"{name}.png", heatmap_png(group, digest))


def matrix_names(groups: Sequence[Group]) -> dict[str, Group]:
    """Return a file name for every group with a complete run: the method and what tells it apart.

    Model, sequence and protocol are part of the name only where they differ between groups.
    """
    complete = [group for group in groups if group.runs]
    parts = [(item.method, item.model, item.sequence, item.protocol or "") for item in complete]
    differ = [len(set(column)) > 1 for column in zip(*parts, strict=True)]
    varying = [i for i, differs in enumerate(differ) if i == 0 or differs]
    names: dict[str, Group] = {}
    for group, part in zip(complete, parts, strict=True):
        plain = "_".join(["matrix", *(_plain(part[i]) for i in varying if part[i])])
        name, count = plain, 1
        while name in names:
            count += 1
            name = f"{plain}-{count}"
        names[name] = group
    return names


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:60] or "unnamed"


def _parser() -> Arguments:
    parser = Arguments(prog="harness tables", description=_DESCRIPTION)
    scores, out = Path("results/scores.csv"), Path("results")
    parser.add_argument("--scores", type=Path, default=scores, help=f"table of scores ({scores})")
    parser.add_argument("--out", type=Path, default=out, help=f"folder to write to ({out})")
    return parser
