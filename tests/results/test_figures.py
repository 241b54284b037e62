"""Figures: what is drawn, what is metadata, and that print can be read."""

from collections.abc import Iterator
from typing import Any

import matplotlib.figure
import pytest
from support.tables import FIRST, SECOND, groups_of

from harness.results.figures import curves, heatmap, saved
from harness.results.figures.gallery import gallery
from harness.results.report.write import matrix_names


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The figures that are saved, as they are then."""
    found: list[Any] = []
    write = matplotlib.figure.Figure.savefig

    def note(figure: Any, *given: Any, **more: Any) -> None:
        write(figure, *given, **more)
        if figure not in found:
            found.append(figure)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", note)
    return found


def texts(figure: Any) -> list[Any]:
    from matplotlib.text import Text

    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def figures(groups: list[Any], digest: str) -> dict[str, dict[str, bytes]]:
    return gallery(matrix_names(groups), digest)


def two_seeds(run_rows) -> list[Any]:
    rows = [*run_rows("a", FIRST), *run_rows("b", SECOND, seed=2)]
    return groups_of(rows)


def test_a_heat_map_has_means_and_deviations_and_no_title(run_rows, drawn) -> None:
    [group] = two_seeds(run_rows)
    files = heatmap.heatmap(group, "d1g357")
    told = {text.get_text() for text in texts(drawn[0])}
    # R[2, a_1] is 0.3 and 0.6 in tests/support/tables.py's two matrices, or as they stand there.
    first, second = (100 * cells[2, "a_1"] for cells in (FIRST, SECOND))
    mean, deviation = (first + second) / 2, abs(first - second) / 2**0.5
    assert f"{mean:.1f}\n± {deviation:.1f}" in told
    assert not any("seq_ft" in text or "d1g357" in text for text in told)
    for content in files.values():
        assert b"d1g357" in content
        assert b"Score matrix: seq_ft" in content


def test_every_figure_can_be_read_at_its_width(rows, run_rows, drawn) -> None:
    more = run_rows("x", FIRST, method="other", sequence=rows[0]["sequence"])
    found = figures(groups_of([*rows, *more]), "d")
    assert {"matrices", "tasks", "suites", "learned_and_kept"} < set(found)
    assert len(drawn) == len(found)
    for figure in drawn:
        assert figure.get_size_inches()[0] in (saved.COLUMN, saved.PAGE)
        assert min(text.get_fontsize() for text in texts(figure)) >= 7


def test_curves_begin_where_a_task_is_learned(run_rows) -> None:
    [group] = two_seeds(run_rows)
    values = group.runs[0].matrix.values
    curve = curves._curve(group, lambda run, stage: run.matrix.values[stage][1], 2)
    assert len(values) == 3
    assert [stage for stage, _ in curve] == [2]
    [(_, value)] = curve
    assert value == pytest.approx(100 * (FIRST[2, "b"] + SECOND[2, "b"]) / 2)


def test_one_method_makes_no_panel_and_no_cloud(run_rows) -> None:
    groups = two_seeds(run_rows)
    assert not {"matrices", "learned_and_kept", "score_and_cost"} & set(figures(groups, "d"))
