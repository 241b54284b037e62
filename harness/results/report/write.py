"""Write every table and plot of a scores file."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.results.comparing.best import mark_level
from harness.results.comparing.contributions import Items
from harness.results.figures.beside import Beside
from harness.results.figures.gallery import Drawing, drawings
from harness.results.figures.saved import SUFFIXES, is_current
from harness.results.groups import Group
from harness.results.report.latex import all_tables, to_latex
from harness.results.report.printing import Table, to_csv, to_markdown
from harness.results.report.rates import rates_table
from harness.results.report.tables import main_table, matrix_table, parted, suites_table
from harness.results.trust import Trust
from harness.store.files import write_atomically


def write_report(
    groups: Sequence[Group],
    digest: str,
    out: Path,
    trust: Trust | None = None,
    beside: Beside | None = None,
    items: Items | None = None,
) -> Iterator[Path]:
    """Write tables to out/tables and figures to out/plots; yields each path once written. trust:
    what tells, below each table, what is known of its runs; beside: what figures show beside
    headline scores; items: by which methods are compared that the main table marks."""
    names = matrix_names(groups)
    main = main_table(groups, digest)
    main = mark_level(main, groups, items) if items else main
    tables: list[tuple[str, Table]] = [("main", main)]
    tables += [(name, matrix_table(group, digest, name)) for name, group in names.items()]
    tables.append(("suites", suites_table(groups, digest)))
    rates = rates_table([run for group in groups for run in group.runs], digest)
    tables += [("rates", rates)] if rates else []
    if trust is not None:
        shown = {name: [group] for name, group in names.items()}
        tables = [(name, trust.below(table, shown.get(name, groups))) for name, table in tables]
    for name, table in tables:
        for suffix, text in (("md", to_markdown), ("csv", to_csv)):
            yield write_atomically(out / "tables" / f"{name}.{suffix}", text(table))
    printed = dict(tables)
    printed["main"], printed["budget"] = parted(printed["main"])
    for name, table in printed.items():
        yield write_atomically(out / "tables" / f"{name}.tex", to_latex(table))
    yield write_atomically(out / "tables" / "all.tex", all_tables([*printed]))
    for name, draw in drawings(names, digest, beside).items():
        yield from _drawn(out / "plots" / name, draw, digest)


def _drawn(base: Path, draw: Drawing, digest: str) -> Iterator[Path]:
    """The files of a figure, which are left as they are where the same would be drawn again."""
    if is_current(base, digest):
        yield from (base.with_name(f"{base.name}.{suffix}") for suffix in SUFFIXES)
        return
    for suffix, content in (draw() or {}).items():
        yield write_atomically(base.with_name(f"{base.name}.{suffix}"), content)


def matrix_names(groups: Sequence[Group]) -> dict[str, Group]:
    """A file name for every group with a complete run: the method and what tells it apart.

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
