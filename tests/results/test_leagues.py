"""Protocols with a BWT of their own have it in a column beside the usual one."""

import pytest
from support.tables import by_method, groups_of

from harness.config.places import option_names
from harness.results.measures.continual import MEASURES
from harness.results.measures.leagues import LEAGUE_BWT, LEAGUE_TITLES
from harness.results.report.printing import to_markdown
from harness.results.report.tables import main_table

# Task a_1 loses 0.4 of 0.8, b is last: over T - 1 = 1 and over T = 2.
LOST = {(1, "a_1"): 0.8, (2, "a_1"): 0.4, (2, "b"): 0.6}
GAINED = {(1, "a_1"): 0.5, (2, "a_1"): 0.7, (2, "b"): 0.6}


def test_every_league_is_a_protocol_and_its_measure_is_there():
    assert set(LEAGUE_BWT) <= set(option_names("protocol", []))
    assert set(LEAGUE_BWT.values()) == set(LEAGUE_TITLES) <= set(MEASURES)


@pytest.mark.parametrize(
    ("protocol", "column", "cells", "expected"),
    [
        ("seekr", "bwt_over_T", LOST, -20.0),
        ("seekr", "bwt_over_T", GAINED, 10.0),
        ("treelora", "bwt_clipped", LOST, -20.0),
        ("treelora", "bwt_clipped", GAINED, 0.0),
    ],
)
def test_the_leagues_bwt_by_hand(run_rows, protocol, column, cells, expected):
    table = main_table(groups_of(run_rows("r", cells, protocol=protocol)), "d")
    found = by_method(table)["seq_ft"]
    change = 100 * (cells[2, "a_1"] - cells[1, "a_1"])
    assert float(found["bwt"]) == pytest.approx(change)
    assert float(found[column]) == pytest.approx(expected)
    assert f"{LEAGUE_TITLES[column]} = {MEASURES[column].formula}" in to_markdown(table)


def test_other_protocols_have_a_dash_there_and_alone_no_column(run_rows):
    usual = run_rows("u", LOST, method="usual", protocol="paper")
    alone = main_table(groups_of(usual), "d")
    assert not {"bwt_over_T", "bwt_clipped"} & {heading.name for heading in alone.headings}
    league = run_rows("l", LOST, method="league", protocol="treelora")
    found = by_method(main_table(groups_of([*usual, *league]), "d"))
    assert (found["usual"]["bwt_clipped"], found["league"]["bwt_clipped"]) == ("", "-20.0")
