"""The 17 score matrices that TRACE prints, recomputed: arXiv 2310.06762, tables 7-22 and 26."""

import json
import os
from pathlib import Path

import pytest

from harness.metrics.continual import bwt, bwt_over_T, op
from harness.metrics.matrix import ScoreMatrix

REFERENCE = "HARNESS_TEST_REFERENCE"
DEFAULT = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
TABLES = [*range(7, 23), 26]
DIVIDED_BY_ALL_TASKS = (17, 19)


@pytest.fixture(scope="module")
def published():
    path = Path(os.environ.get(REFERENCE, DEFAULT)) / "trace_published.json"
    if not path.exists():
        pytest.skip(f"no published numbers at {path}; point {REFERENCE} to their folder")
    records = json.loads(path.read_text(encoding="utf-8"))["per_stage_matrices"]
    return {record["table"]: record for record in records}


def load(record):
    cells = {
        (int(stage), task): score
        for task, column in record["scores"].items()
        for stage, score in column.items()
    }
    return ScoreMatrix.from_cells(record["tasks"], cells)


@pytest.mark.parametrize("table", TABLES)
def test_op_and_bwt_equal_the_printed_ones(published, table):
    record = published[table]
    scores = load(record)
    assert scores.missing() == []
    # Half a unit of the last printed digit, and as much for the rounding of the cells.
    assert op(scores) == pytest.approx(record["printed_op"], abs=0.001)
    measure = bwt_over_T if table in DIVIDED_BY_ALL_TASKS else bwt
    assert measure(scores) == pytest.approx(record["printed_bwt"], abs=0.001)


@pytest.mark.parametrize("table", DIVIDED_BY_ALL_TASKS)
def test_two_tables_do_not_fit_the_usual_divisor(published, table):
    record = published[table]
    assert abs(bwt(load(record)) - record["printed_bwt"]) > 0.00099


def test_all_matrices_are_covered(published):
    assert sorted(published) == TABLES
