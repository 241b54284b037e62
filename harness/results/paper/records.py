"""Other papers' numbers on TRACE by the league that they are of, and our runs of that league.

Within a league, data, protocol and definition of BWT are the same; across leagues nothing compares.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError
from harness.results.groups import Group, group_runs
from harness.results.measures.continual import MEASURES
from harness.results.measures.leagues import LEAGUE_BWT
from harness.results.paper.ours import Ours
from harness.results.paper.published import published_folder
from harness.results.report.printing import Entry, Heading, Table
from harness.results.report.tables import estimate_over_seeds

RECORDS = "records.csv"
_FIELDS = ("model", "method", "op", "bwt", "setting", "mark")


@dataclass(frozen=True)
class League:
    """What numbers share that may be compared. protocol, data: of our runs of it."""

    title: str
    protocol: str = ""
    data: str = ""


# As the column `league` of the file names them; "" = of none, or nobody knows of which.
LEAGUES = {
    "5000": League("TRACE-5000", "paper", "trace_5000"),
    "reasoning": League("reasoning-augmented, BWT / T", "seekr", "trace_reasoning"),
    "500": League("TRACE-500, BWT clipped and / T", "treelora", "trace_500"),
    "": League("none, or not known"),
}


def records_table(ours: Ours, digest: str, path: Path | None = None) -> Table:
    """League by league the records as they are printed, and below them ours. Raises DataError for a
    file that holds something else."""
    records, rows = read_records(path), list[tuple[Entry, ...]]()
    for name, league in LEAGUES.items():
        listed = [record for record in records if record["league"] == name]
        rows += [(league.title, *(record[field] for field in _FIELDS)) for record in listed]
        rows += [(league.title, *row) for row in _ours(league, ours)]
    headings = (
        Heading("League", "league"),
        Heading("Model", "model"),
        Heading("Method", "method"),
        Heading("OP", "op"),
        Heading("BWT", "bwt"),
        Heading("Setting", "setting"),
        Heading("Whose", "whose"),
    )
    caption = (
        "OP and BWT on TRACE as other papers print them, by league; (F): forgetting, more is "
        "worse. Ours are times 100, with the league's own BWT. Numbers of two leagues do not "
        "compare, nor do those of none with any."
    )
    return Table("Records by league", headings, tuple(rows), caption, "records", digest)


def read_records(path: Path | None = None) -> list[dict[str, str]]:
    """The rows of the file. Raises DataError naming it, and the line where the league is none."""
    path = path or published_folder() / RECORDS
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except OSError as error:
        raise DataError(f"{path}: the published records cannot be read ({error})") from error
    for line, row in enumerate(rows, start=2):
        if None in row.values() or not {"league", *_FIELDS} <= row.keys():
            raise DataError(f"{path}, row {line}: lacks one of league, {', '.join(_FIELDS)}")
        if row["league"] not in LEAGUES:
            known = ", ".join(filter(None, LEAGUES))
            raise DataError(
                f"{path}, row {line}: no league {row['league']!r}; use {known}, or none"
            )
    return rows


def _ours(league: League, ours: Ours) -> Iterator[tuple[Entry, ...]]:
    """Our complete runs under the league's protocol and on its data."""
    there = [r for r in ours.runs if (r.protocol, r.data) == (league.protocol, league.data)]
    yield from (_row(league, group) for group in group_runs(there) if group.runs)


def _row(league: League, group: Group) -> tuple[Entry, ...]:
    names = "op", LEAGUE_BWT.get(league.protocol, "bwt")
    matrices = [run.matrix for run in group.runs]
    found = [estimate_over_seeds([MEASURES[name].of(m) for m in matrices]) for name in names]
    seeds = f"{len(matrices)} seeds" if len(matrices) > 1 else "one seed"
    return group.model, group.method, *found, seeds, "ours"
