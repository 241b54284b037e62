"""Tables as tests read them."""

import csv
import io

from harness.results.groups import group_runs
from harness.results.report.printing import to_csv
from harness.results.runs import load_runs
from harness.results.schema import Scores

# Scores of two seeds of a run of two tasks: (stage, task) -> score.
FIRST = {(1, "a_1"): 0.8, (2, "a_1"): 0.4, (2, "b"): 0.6}
SECOND = {(1, "a_1"): 0.8, (2, "a_1"): 0.6, (2, "b"): 0.8}


def groups_of(rows):
    return group_runs(load_runs(Scores.of(rows)))


def records(table):
    return list(csv.DictReader(io.StringIO(to_csv(table))))


def by_method(table):
    return {record["method"]: record for record in records(table)}


def cells_of(markdown, first):
    """The cells of the Markdown row that holds `first`."""
    line = next(line for line in markdown.splitlines() if line.startswith("| ") and first in line)
    return [cell.strip() for cell in line.replace("\\|", "!").strip("|").split("|")]
