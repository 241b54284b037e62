"""Curves lie in their picture, whatever numbers a log holds."""

import re

import pytest

from harness.results.html.curves import HEIGHT, WIDTH, Series, curve


def points(values: list[float | None], log: bool) -> list[tuple[float, float]]:
    """(x, y) of each that is drawn."""
    picture = curve("Loss", [Series("a", values)], log=log)
    told = re.search(r'<polyline points="([^"]*)"', picture)[1]
    return [tuple(map(float, pair.split(","))) for pair in told.split()]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "values",
    [
        [1.0, 0.5, 2.0],
        [0.0, 0.0],
        [-5.0, -4.0, None],
        [1e308, 1e308, -1e308],
        [5e-324, 1.0],
        [1e308] * 400,
    ],
)
def test_points_are_inside_and_higher_where_values_are(values: list[float], log: bool) -> None:
    if log and not any(value and value > 0 for value in values):
        assert curve("Loss", [Series("a", values)], log=True) == ""
        return
    found = points(values, log)
    assert found
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in found)
    drawn = [v for v in values if v is not None and (v > 0 or not log)]
    if len(drawn) == len(found):
        by_value = [y for _, (_, y) in sorted(zip(drawn, found, strict=True), reverse=True)]
        assert by_value == sorted(by_value)
