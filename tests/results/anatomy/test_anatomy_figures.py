"""What the figures of the anatomy draw: the numbers of the tables, read back from the pictures."""

from pathlib import Path

import pytest
from bench.fabricated import Fabricated, Kind

from harness.models.weights.updates import Layer
from harness.results.anatomy.line import Line
from harness.results.anatomy.relearning import Relearned
from harness.results.figures import anatomy
from harness.results.items.anatomy import histories
from harness.results.records import read_record
from harness.store.store import Store

RELEARNED = Relearned("m", "_own", 0, "a|b|a#2", "a", 0.8, {0: 0.4, 2: 0.9}, {0: 0.1, 4: 0.7})
LINE = Line("m", "between", 0, 1, 2, "a", "loss (nats)", {0.0: 1.0, 0.5: 3.0, 1.0: 2.0})


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures themselves in the place of their files."""
    monkeypatch.setattr(anatomy, "saved", lambda figure, title, digest: figure)


@pytest.mark.usefixtures("drawn")
def test_bars_are_the_items_of_every_stage(tmp_path: Path) -> None:
    made = Fabricated(tmp_path, runs=1, items=6, tasks=(Kind("a", 40, 1), Kind("b", 40, 1)))
    [place] = made.store.glob("runs/*.json")
    found = histories(Store(made.store), read_record(place))
    figure = anatomy.items_figure(found, "d")
    for axes, one in zip(figure.axes, found, strict=True):
        kept, gained, form, lost = ([bar.get_height() for bar in c] for c in axes.containers)
        changes = [change for _, change in one.changes()]
        assert kept == [change.kept for change in changes]
        assert lost == [-change.lost for change in changes]
        assert [a + b for a, b in zip(kept, gained, strict=True)] == [c.right for c in changes]
        assert form == [change.format_only for change in changes]
    assert anatomy.items_figure([], "d") is None


@pytest.mark.usefixtures("drawn")
def test_curves_are_those_of_the_tables() -> None:
    [axes] = anatomy.relearning_figure([RELEARNED], "d").axes
    first, again, target = (line.get_xydata().tolist() for line in axes.lines)
    assert first == [[0, 10], [4, pytest.approx(70)]]
    assert again == [[0, 40], [2, 90]]
    assert target[0][1] == 80
    [axes] = anatomy.line_figure([LINE], "d").axes
    losses, chord = (line.get_xydata().tolist() for line in axes.lines)
    assert losses == [[0, 1], [0.5, 3], [1, 2]]
    assert chord == [[0, 1], [1, 2]]


@pytest.mark.usefixtures("drawn")
def test_cells_are_layers_by_stage() -> None:
    stages = {2: [Layer("0", 8, 1.0, 4.0, 1.5, 3.0), Layer("after", 2, 0.0, 2.0, None, None)]}
    moved, ranks, *_ = anatomy.weights_figure(stages, "d").axes
    assert moved.collections[0].get_array().tolist() == [[25.0], [0.0]]
    assert ranks.collections[0].get_array().tolist() == [[50.0], [None]]


def test_they_are_saved_in_three_formats() -> None:
    layers = {1: [Layer("0", 8, 1.0, 4.0, 1.5, 3.0)]}
    for files in (
        anatomy.relearning_figure([RELEARNED], "d"),
        anatomy.line_figure([LINE, LINE], "d"),
        anatomy.weights_figure(layers, "d"),
    ):
        assert {"pdf", "svg", "png"} == set(files)
        assert files["png"].startswith(b"\x89PNG")
