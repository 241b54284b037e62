"""Write every table and plot of a scores file."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.results.groups import Group
from harness.results.report.heatmap import heatmap_png
from harness.results.report.printing import Table, to_csv, to_latex, to_markdown
from harness.results.report.rates import rates_table
from harness.results.report.tables import main_table, matrix_table, suites_table
from harness.results.trust import Trust
from harness.store.files import write_atomically


def write_report(
    groups: Sequence[Group], digest: str, out: Path, trust: Trust | None = None
) -> Iterator[Path]:
    """Write tables to out/tables and heat maps to out/plots; yields each path once written. trust:
    what makes the line that says what is known of the runs of each table."""
    names = matrix_names(groups)
    tables: list[tuple[str, Table]] = [("main", main_table(groups, digest))]
    tables += [(name, matrix_table(group, digest, name)) for name, group in names.items()]
    tables.append(("suites", suites_table(groups, digest)))
    rates = rates_table([run for group in groups for run in group.runs], digest)
    tables += [("rates", rates)] if rates else []
    shown = {name: [group] for name, group in names.items()}
    for name, table in tables:
        if trust is not None:
            line = trust.line(shown.get(name, groups))
            table = replace(table, notes=(*table.notes, line))
        for suffix, text in (("md", to_markdown), ("csv", to_csv), ("tex", to_latex)):
            yield write_atomically(out / "tables" / f"{name}.{suffix}", text(table))
    for name, group in names.items():
        yield write_atomically(out / "plots" / f"{name}.png", heatmap_png(group, digest))


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
