"""Intervals where the truth is known: simulated anew at a small scale, and as published."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import simulate_intervals
from bench.worlds import TASKS, World, tables, worlds
from simulate_intervals import simulated
from support.places import REPOSITORY

TABLES = 2000
ERROR = math.sqrt(0.95 * 0.05 / TABLES)  # of a share of 5 % in so many


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """500 tables of four tasks: within four standard deviations of 95 to 97 %."""
    world = World("OP", "difference", items=100, seeds=3, spread=0.25, rivals=5)
    found = simulated(world, 500, 0)
    error = 4 * math.sqrt(0.95 * 0.05 / 500)
    assert 0.95 - error < float(found["coverage"]) < 0.97 + error
    assert float(found["family_false_alarms"]) < 0.05 + error
    # A difference that can be detected is, in 80 of 100.
    assert abs(float(found["power"]) - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 500) + 0.02


@pytest.fixture(scope="module")
def published() -> list[dict[str, str]]:
    with Path(REPOSITORY, "results/intervals.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_all_worlds_are_published_with_2000_tables_each(published) -> None:
    assert len(published) == len(list(worlds()))
    assert {row["tables"] for row in published} == {str(TABLES)}


@pytest.mark.parametrize("place", [0, 3, 30])
def test_what_is_published_is_what_the_code_gives(published, place: int) -> None:
    row = published[place]
    again = simulated(list(worlds())[place], TABLES, int(row["seed"]))
    for name in ("coverage", "width", "power"):
        assert float(again[name]) == pytest.approx(float(row[name]), abs=0.002)


def test_the_published_simulation_keeps_its_bounds(published) -> None:
    """Items in clusters apart, which intervals do not know of."""
    large = [row for row in published if int(row["items"]) >= 100 and int(row["seeds"]) >= 3]
    alone = [row for row in large if row["cluster"] == "1"]
    assert len(alone) > 150
    for row in alone:
        assert 0.93 <= float(row["coverage"]) <= 0.97, row
    alarms = [float(row["false_alarms"]) for row in alone if row["false_alarms"]]
    assert np.mean(alarms) <= 0.05
    assert max(alarms) < 0.05 + 3.5 * ERROR
    family = [float(row["family_false_alarms"]) for row in alone if row["family_false_alarms"]]
    assert np.mean(family) <= 0.05
    assert max(family) < 0.05 + 3.5 * ERROR


def test_worlds_have_the_means_that_are_called_true() -> None:
    """Over 400 tables of 200 items; BWT, hard and own items, seeds of their own, a rival that is
    better and one that is not."""
    world = World("BWT", "difference", 200, 3, 0.25, 0.5, 1.0, 0.8, own=0.5, rivals=2, better=1)
    drawn = tables(np.random.default_rng(1), world, 400)
    for contributions, effect in zip(drawn, (0.5, 0.0), strict=True):
        sums = sum(table.mean(axis=(-2, -1)) for table in contributions)
        assert len(contributions) == TASKS
        assert abs(sums.mean() - world.truth(effect)) < 4 * sums.std() / math.sqrt(400)


def test_it_goes_on_where_it_stopped(tmp_path: Path, monkeypatch) -> None:
    """What the file has is kept as it is; the rest is simulated."""
    few = list(worlds())[:3]
    monkeypatch.setattr(simulate_intervals, "worlds", lambda: iter(few))
    place = tmp_path / "intervals.csv"
    asked = ["--tables", "20", "--out", str(place)]
    simulate_intervals.main(asked)
    whole = place.read_text()
    lines = whole.splitlines(keepends=True)
    kept = lines[1].rpartition(",")[0] + ",0.123\n"
    place.write_text("".join([lines[0], kept, lines[3]]))
    simulate_intervals.main(asked)
    assert place.read_text() == "".join([lines[0], kept, *lines[2:]])
    simulate_intervals.main([*asked, "--again"])
    assert place.read_text() == whole
