"""Figures: what is drawn, what is metadata, and that print can be read."""

from typing import Any

import matplotlib.figure
import pytest
from support.tables import FIRST, SECOND, groups_of

from harness.cli.tables import main
from harness.results.figures import curves, heatmap, points, saved
from harness.results.figures.beside import Beside
from harness.results.figures.gallery import drawings
from harness.results.figures.judged import win_tie_lose
from harness.results.report.write import matrix_names
from harness.results.schema import Scores, write_scores


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are saved."""
    found: list[Any] = []
    own = matplotlib.figure.Figure.set_layout_engine

    def note(figure: Any, layout: str | None = None, **options: Any) -> None:
        if layout == "none":  # it is laid out, and will be printed
            found.append(figure)
        own(figure, layout, **options)

    monkeypatch.setattr(matplotlib.figure.Figure, "set_layout_engine", note)
    return found


def texts(figure: Any) -> list[Any]:
    from matplotlib.text import Text

    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def figures(groups: list[Any], digest: str) -> dict[str, dict[str, bytes]]:
    drawn = {name: draw() for name, draw in drawings(matrix_names(groups), digest).items()}
    return {name: files for name, files in drawn.items() if files is not None}


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
    assert f"{mean:.1f}\n±{deviation:.0f}" in told
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
    [(stage, value, spread)] = curves.curve(
        group, lambda run, stage: run.matrix.values[stage][1], 2
    )
    assert stage == 2
    assert value == pytest.approx(100 * (FIRST[2, "b"] + SECOND[2, "b"]) / 2)
    assert spread == pytest.approx(100 * abs(FIRST[2, "b"] - SECOND[2, "b"]) / 2**0.5)


def test_one_method_makes_no_panel_and_no_cloud(run_rows) -> None:
    groups = two_seeds(run_rows)
    assert not {"matrices", "learned_and_kept", "score_and_cost"} & set(figures(groups, "d"))


def test_the_panel_writes_deviations_and_what_numbers_of_tasks_mean(run_rows, drawn) -> None:
    groups = groups_of(
        [*run_rows("a", FIRST), *run_rows("b", SECOND, seed=2), *run_rows("c", FIRST, method="x")]
    )
    heatmap.panel(groups, "d")
    told = [text.get_text() for text in texts(drawn[0])]
    assert "50\n±14" in told  # 40 and 60
    assert "40" in told  # one seed has no deviation
    assert "task: 1\N{NO-BREAK SPACE}a_1, 2\N{NO-BREAK SPACE}b" in told


@pytest.mark.parametrize(("tasks", "width"), [(8, saved.COLUMN), (12, saved.PAGE)])
def test_numbers_of_a_matrix_stay_in_their_cells(run_rows, drawn, tasks, width) -> None:
    """As the renderer measures them, with the widest numbers that there are."""
    names = [f"a_long_name_{at}" for at in range(tasks)]
    rows = []
    for seed, low in enumerate((0.5, 0.999)):
        cells = {(t, name): low for t in range(tasks + 1) for name in names[: t or tasks]}
        rows += run_rows(f"r{seed}", cells, seed=seed, general=(), tasks="|".join(names), group="g")
    [group] = groups_of(rows)
    heatmap.heatmap(group, "d")
    [figure] = drawn
    assert figure.get_size_inches()[0] == width
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == tasks + tasks * (tasks + 1) / 2
    wide, high = abs(axes.transData.transform((1, 1)) - axes.transData.transform((0, 0)))
    assert max(box.width for box in boxes) <= wide
    assert max(box.height for box in boxes) <= high


def test_many_things_look_different() -> None:
    looks = [tuple(sorted(saved.style(at).items())) for at in range(64)]
    assert len(set(looks)) == 64


def test_names_are_shown_as_they_are(run_rows, drawn) -> None:
    """No mathematics, no marks of matplotlib's own, no more than two lines."""
    names = ["_hidden", "$\\bad$ $x^$", "a long name " * 30]
    rows = [row for at, name in enumerate(names) for row in run_rows(f"r{at}", FIRST, method=name)]
    figures(groups_of(rows), "d")
    told = [text.get_text() for figure in drawn for text in texts(figure)]
    assert {" _hidden", names[1]} <= set(told)
    assert all(text.count("\n") <= 1 for text in told)


def test_a_stage_alone_makes_no_curves(score_row) -> None:
    """Not an empty picture either."""
    one = groups_of([score_row(tasks="a_1")])
    none = groups_of([score_row(schedule="none", stage=0, tasks="a_1")])
    for groups in (one, none):
        assert set(figures(groups, "d")) == {"matrix_seq-ft"}


def test_strict_and_lenient_scores_of_the_last_stage_are_paired(run_rows, drawn) -> None:
    rows = run_rows("a", FIRST)
    lenient = {(2, "a_1"): 0.7, (2, "b"): 0.9, (1, "a_1"): 0.1}
    target = [row for row in rows if row["suite"] == "target"]
    more = [
        row | {"metric": "accuracy_lenient", "headline": False, "value": lenient[cell]}
        for row in target
        if (cell := (row["stage"], row["benchmark"])) in lenient
    ]
    # Of another metric, which is not the headline.
    other = [row | {"metric": "rouge_l_lenient", "headline": False} for row in target]
    beside = Beside.of(Scores.of([*rows, *more, *other]))
    assert points.strict_and_lenient(groups_of(rows), beside, "d") is not None
    lines = [line for line in drawn[0].axes[0].get_lines() if len(line.get_xdata()) == 1]
    pairs = {(line.get_xdata()[0], line.get_ydata()[0]) for line in lines}
    assert pairs == {(40.0, 70.0), (60.0, 90.0)}
    assert points.strict_and_lenient(groups_of(rows), Beside(), "d") is None


def judged(run: str, rates: tuple[float, float, float], score_row, **changes) -> list[Any]:
    place = {"run": run, "stage": 2, "suite": "safety", "filter": "judge", "unit": "judge_rate"}
    return [
        score_row(**place, benchmark="asked", metric=metric, value=value, headline=False, **changes)
        for metric, value in zip(("win", "tie", "lose"), rates, strict=True)
    ]


def test_bars_are_a_judges_rates_over_seeds(run_rows, score_row, drawn) -> None:
    rows = [*run_rows("a", FIRST), *run_rows("b", SECOND, seed=2)]
    rows += run_rows("c", FIRST, method="unjudged")
    told = judged("a", (0.5, 0.3, 0.2), score_row)
    told += judged("b", (0.7, 0.1, 0.2), score_row, seed=2)
    beside = Beside.of(Scores.of([*rows, *told]))
    assert win_tie_lose(groups_of(rows), beside, "d") is not None
    [axes] = drawn[0].axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([60, 20, 20])
    assert "not judged" in {text.get_text() for text in axes.texts}
    assert win_tie_lose(groups_of(rows), Beside(), "d") is None


def test_what_would_be_the_same_is_not_drawn_again(run_rows, drawn, tmp_path) -> None:
    rows = [*run_rows("a", FIRST), *run_rows("c", FIRST, method="x")]
    scores = write_scores(rows, tmp_path / "scores.csv")
    words = ["--scores", str(scores), "--out", str(tmp_path)]
    count = 6  # two matrices and their panel, tasks, suites, learned and kept
    assert main(words) == 0
    assert len(drawn) == count
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "plots").iterdir()}
    assert main(words) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "plots").iterdir()} == first
    assert len(drawn) == count
    (tmp_path / "plots" / "tasks.svg").unlink()
    (tmp_path / "plots" / "suites.png").write_bytes(b"another table's")
    assert main(words) == 0
    assert len(drawn) == count + 2
    rows[0]["value"] = 0.7
    write_scores(rows, scores)
    assert main(words) == 0
    assert len(drawn) == 2 * count + 2
