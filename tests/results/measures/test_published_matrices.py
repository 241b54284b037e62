"""The 17 score matrices that TRACE prints, recomputed: arXiv 2310.06762, tables 7-22 and 26."""

import pytest

from harness.results.measures.continual import MEASURES
from harness.results.measures.matrix import ScoreMatrix
from harness.results.paper.published import matrix, read_published

TABLES = [*range(7, 23), 26]
DIVIDED_BY_ALL_TASKS = (17, 19)
MISPRINTED_DELTAS = {
    ("Vicuna-7B-V1.5", "LoraSeqFT"): -5.31,
    ("Vicuna-13B-V1.5", "LoraSeqFT"): -6.81,
}
PUBLISHED = read_published()


def printed(table: int, column: str) -> float:
    (found,) = PUBLISHED.where(table=f"table{table}", column=column)
    return found.value


def load(table: int) -> ScoreMatrix:
    return matrix(PUBLISHED.where(table=f"table{table}", suite="target"))


@pytest.mark.parametrize("table", TABLES)
def test_op_and_bwt_equal_the_printed_ones(table: int) -> None:
    scores = load(table)
    assert scores.missing() == []
    # Half a unit of the last printed digit, and as much for the rounding of the cells.
    assert MEASURES["op"].of(scores).value == pytest.approx(printed(table, "OP"), abs=0.001)
    name = "bwt_over_T" if table in DIVIDED_BY_ALL_TASKS else "bwt"
    assert MEASURES[name].of(scores).value == pytest.approx(printed(table, "BWT"), abs=0.001)


@pytest.mark.parametrize("table", DIVIDED_BY_ALL_TASKS)
def test_two_tables_do_not_fit_the_usual_divisor(table: int) -> None:
    assert abs(MEASURES["bwt"].of(load(table)).value - printed(table, "BWT")) > 0.00099


def test_the_general_deltas_are_means_of_six_differences() -> None:
    rows = PUBLISHED.where(table="table2")
    base = {(row.model, row.column): row.value for row in rows if row.method == "base"}
    deltas = [row for row in rows if row.column == "delta"]
    assert len(deltas) == 15
    for row in deltas:
        changes = [
            other.value - base[other.model, other.column]
            for other in rows
            if (other.model, other.method) == (row.model, row.method) and other.column != "delta"
        ]
        mean = sum(changes) / len(changes)
        misprinted = MISPRINTED_DELTAS.get((row.model, row.method))
        wanted = row.value if misprinted is None else misprinted / 100
        assert mean == pytest.approx(wanted, abs=0.00015)  # rounding of 12 cells
        assert bool(misprinted) == row.mark.startswith("misprint")


def test_every_number_names_its_source() -> None:
    assert len(PUBLISHED.rows) > 900
    assert all(row.source.startswith("arXiv 2310.06762v1, ") for row in PUBLISHED.rows)
    matrices = {row.table for row in PUBLISHED.rows if row.stage and row.suite == "target"}
    assert {f"table{number}" for number in TABLES} <= matrices
