"""The main table and a run's score matrix for a terminal."""

from dataclasses import replace

from harness.errors import DataError
from harness.results.comparing.best import items_of
from harness.results.comparing.pairing import paired_runs
from harness.results.groups import Group, group_runs
from harness.results.report.printing import DASH, Table, grid
from harness.results.report.tables import BUDGET, main_table, matrix_table
from harness.results.runs import load_runs
from harness.results.schema import Scores
from harness.store.store import Store

WIDTH = 120
_LEGEND = "Scores x 100; ± = sd over seeds, or item error of a single seed; Δ = stage T - stage 0."


def main_table_markdown(scores: Scores, store: Store | None = None) -> str:
    """Return the main table for a terminal: model and sequence above it if they are the same, the
    budget columns below. store: that of the runs, for errors that are paired by item."""
    groups = group_runs(paired_runs(load_runs(scores), items_of(scores, store)))
    table = main_table(groups, scores.digest).without_empty()
    kept, common, budget = [], [], []
    for position, heading in enumerate(table.headings):
        if heading.name in BUDGET or heading.name == "method":
            budget.append(position)
        if heading.name in BUDGET:
            continue
        entries = {row[position] for row in table.rows}
        if heading.name in ("model", "sequence") and len(entries) == 1:
            common.append(f"{heading.title}: {entries.pop()}")
        else:
            kept.append(position)
    shown = table.columns(kept)
    labels = [i for i, heading in enumerate(shown.headings) if not heading.numeric]
    lines = [", ".join(common), *map(grid, _terminal_parts(shown, labels)), _LEGEND]
    lines += [grid(table.columns(budget)), *table.notes]
    return "\n".join(filter(None, lines))


def matrix_markdown(scores: Scores, run: str) -> str:
    """Return the score matrix of one run for a terminal, also while it is incomplete."""
    runs = load_runs(scores)
    found = [item for item in runs if item.name == run]
    if not found:
        known = ", ".join(dict.fromkeys(item.name for item in runs))
        raise DataError(f"no run {run!r} in the table of scores; it has: {known or 'no run'}")
    blocks = []
    for item in found:
        group = Group(item.model, item.sequence, item.method, item.protocol, (item,), ())
        table = matrix_table(group, scores.digest, "matrix")
        under = f", protocol {item.protocol}" if item.protocol else ""
        blocks.append(f"{table.title} ({run}{under}), times 100")
        blocks += [grid(part) for part in _terminal_parts(table, [0, 1])]
    return "\n".join(blocks)


def _terminal_parts(table: Table, keys: list[int]) -> list[Table]:
    """Split the columns so that every part, with the columns of `keys`, fits the terminal."""
    parts: list[list[int]] = []
    current: list[int] = []
    for position in range(len(table.headings)):
        if position in keys:
            continue
        wider = grid(table.columns([*keys, *current, position])).partition("\n")[0]
        if current and len(wider) > WIDTH:
            parts.append(current)
            current = []
        current = [*current, position]
    return [
        _without_empty_rows(table.columns([*keys, *part]), len(keys)) for part in (*parts, current)
    ]


def _without_empty_rows(table: Table, labels: int) -> Table:
    rows = [row for row in table.rows if any(str(entry) != DASH for entry in row[labels:])]
    return replace(table, rows=tuple(rows))
