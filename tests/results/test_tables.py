"""Numbers, footnotes and markup of the tables, and the command that writes them."""

import re

import pytest
from support.tables import FIRST, SECOND, by_method, cells_of, groups_of, records

from harness.cli.tables import main
from harness.errors import DataError
from harness.results.report.latex import to_latex
from harness.results.report.printing import Points, to_markdown
from harness.results.report.tables import main_table, matrix_table, suites_table
from harness.results.report.terminal import main_table_markdown, matrix_markdown
from harness.results.report.write import matrix_names
from harness.results.schema import Scores, write_scores


def test_points_print_with_one_decimal():
    texts = [str(Points(value)) for value in (48.66, -0.04, 0.0, None)]
    assert texts == ["48.7", "0.0", "0.0", "–"]  # noqa: RUF001
    assert str(Points(48.66, 1.04)) == "48.7 ± 1.0"


def test_main_table_averages_seeds_and_gives_their_spread(rows):
    found = by_method(main_table(groups_of(rows), "d"))["seq_ft"]
    assert float(found["op"]) == pytest.approx((50 + 70) / 2)
    assert float(found["op_spread"]) == pytest.approx(14.142136)  # sd of 50 and 70
    assert float(found["learning_accuracy"]) == pytest.approx((70 + 80) / 2)
    assert float(found["bwt"]) == pytest.approx((-40 - 20) / 2)
    assert float(found["forgetting"]) == pytest.approx(30)
    assert float(found["delta_general"]) == pytest.approx(-10)
    assert found["delta_safety"] == ""
    assert found["seeds"] == "2"


def test_main_table_gives_the_item_error_of_a_single_seed(rows):
    found = by_method(main_table(groups_of(rows), "d"))["replay|10%"]
    assert float(found["op_spread"]) == pytest.approx(3 * 2**0.5 / 2, abs=1e-6)
    assert float(found["delta_general_spread"]) == pytest.approx(3 * 2**0.5, abs=1e-6)
    assert float(found["delta_general"]) == pytest.approx(10)


def test_the_item_error_of_several_seeds_is_a_note(run_rows):
    """sqrt(2) * 3 / 2 for OP and LA over two tasks, sqrt(2) * 3 for BWT."""
    rows = [row for s in (1, 2) for row in run_rows(f"r{s}", SECOND, seed=s, stderr=0.03)]
    (note,) = main_table(groups_of(rows), "d").notes
    assert note == "seq_ft, 2 seeds: item error of each OP 2.1, LA 2.1, BWT 4.2, Forgetting 4.2"
    assert (
        "item error of each unknown"
        in main_table(groups_of(run_rows("a", FIRST) + run_rows("b", SECOND, seed=2)), "d").notes[0]
    )


def test_main_table_in_print(rows):
    text = to_markdown(main_table(groups_of(rows), "0123456789ab"))
    assert cells_of(text, "seq_ft")[3:7] == [
        "60.0 ± 14.1", "75.0 ± 7.1", "-30.0 ± 14.1", "30.0 ± 14.1",
    ]  # fmt: skip
    assert "sha256 0123456789ab" in text
    for definition in ("OP = mean_i R[T,i]", "/ (T-1)", "R[T,b] - R[0,b]", "item error"):
        assert definition in text


def test_an_incomplete_run_is_a_footnote_and_not_averaged(rows):
    kept = [row for row in rows if (row["run"], row["stage"]) != ("seqft-2", 1)]
    table = main_table(groups_of(kept), "d")
    assert float(by_method(table)["seq_ft"]["op"]) == pytest.approx(50)
    assert by_method(table)["seq_ft"]["seeds"] == "1"
    note = "incomplete: run seqft-2 lacks (stage, task) (1, a_1)."
    assert note in to_markdown(table)
    assert note in main_table_markdown(Scores.of(kept))
    assert "(1, a\\_1)" in to_latex(table)


def test_schedules_without_a_sequence(run_rows):
    rows = [
        *run_rows("icl", {(0, "a_1"): 0.2, (0, "b"): 0.4}, general=(0.6,), method="icl",
                  schedule="none"),
        *run_rows("mt", {(2, "a_1"): 0.7, (2, "b"): 0.9}, method="mt", schedule="joint"),
        *run_rows("st", {(1, "a_1"): 0.8, (2, "b"): 0.6}, method="st", schedule="single"),
    ]  # fmt: skip
    found = by_method(main_table(groups_of(rows), "d"))
    assert {name: float(row["op"]) for name, row in found.items()} == pytest.approx(
        {"icl": 30, "mt": 80, "st": 70}
    )
    deltas = {name: row["delta_general"] for name, row in found.items()}
    assert deltas == {"icl": "0.0", "mt": "-10.0", "st": ""}
    assert {row["bwt"] for row in found.values()} == {""}
    assert found["st"]["learning_accuracy"] == "70.0"
    assert found["mt"]["learning_accuracy"] == ""


def test_lower_is_better_counts_against(run_rows):
    rows = run_rows("x", FIRST)
    for row in rows:
        row["higher_is_better"] = row["suite"] != "general"
    assert by_method(main_table(groups_of(rows), "d"))["seq_ft"]["delta_general"] == "10.0"


def test_only_headline_scores_of_whole_benchmarks_count(rows, score_row):
    extra = [
        score_row(metric="lenient", headline=False, value=1.0),
        score_row(subtask="part", value=1.0),
        score_row(split="eval", value=1.0),
        score_row(suite="cost", benchmark="train", unit="gpu_hours", value=40.0),
    ]
    assert records(main_table(groups_of(rows + extra), "d")) == records(
        main_table(groups_of(rows), "d")
    )
    with pytest.raises(DataError, match=r"run seqft-1: two headline scores of 'a_1' at stage 1"):
        groups_of([*rows, score_row(metric="f1", value=1.0)])


def test_equal_seeds_are_different_settings_and_stay_apart(run_rows):
    rows = [*run_rows("lr1", FIRST), *run_rows("lr2", SECOND)]
    found = by_method(main_table(groups_of(rows), "d"))
    assert {name: row["op"] for name, row in found.items()} == {
        "seq_ft [lr1]": "50.0", "seq_ft [lr2]": "70.0",
    }  # fmt: skip


def test_group_ids_join_seeds_and_settings_name_what_differs(run_rows):
    rows = [
        *run_rows("r1", FIRST, group="g1"),
        *run_rows("r2", SECOND, group="g1", seed=2),
        *run_rows("r3", SECOND, group="g2", seed=3, settings={"train.lr": 1e-4}),
        *run_rows("r4", FIRST, group="g1", experiment="again"),
    ]
    found = by_method(main_table(groups_of(rows), "d"))
    assert {name: (row["op"], row["seeds"]) for name, row in found.items()} == {
        "seq_ft": ("60.0", "2"),
        "seq_ft (train.lr=0.0001)": ("70.0", "1"),
    }


def test_another_order_of_tasks_is_not_averaged(run_rows):
    rows = [*run_rows("x", FIRST), *run_rows("y", SECOND, seed=2, tasks="b|a_1", past="ends")]
    rows.append({**rows[3], "run": "y", "seed": 2, "tasks": "b|a_1", "past": "ends"})
    rows[-1] |= {"suite": "target", "benchmark": "b", "stage": 1}
    assert set(by_method(main_table(groups_of(rows), "d"))) == {"seq_ft [x]", "seq_ft [y]"}


def test_protocols_are_rows_of_their_own(run_rows):
    rows = [
        *run_rows("x", FIRST, protocol="trace"),
        *run_rows("x", SECOND, general=(), protocol="greedy", filter="greedy"),
    ]
    found = {row["protocol"]: row for row in records(main_table(groups_of(rows), "d"))}
    assert {name: row["op"] for name, row in found.items()} == {"trace": "50.0", "greedy": "70.0"}
    assert {row["delta_general"] for row in found.values()} == {"-10.0"}


def test_matrix_table(rows):
    group = groups_of(rows)[1]
    found = records(matrix_table(group, "d", "m"))
    assert [row["stage"] for row in found] == ["0", "1", "2"]
    assert [row["trained"] for row in found] == ["(initial)", "a_1", "b"]
    assert [row["a_1"] for row in found] == ["", "80.0", "50.0"]
    assert [row["b"] for row in found] == ["", "", "70.0"]
    assert [row["general:m%_x"] for row in found] == ["60.0", "", "50.0"]


def test_latex_is_escaped_and_booktabs(rows):
    for table in (main_table(groups_of(rows), "d"), suites_table(groups_of(rows), "d")):
        text = to_latex(table)
        body = text.partition("\n")[2]  # the first line is a comment
        assert text.startswith("% Scores table: sha256 d.\n")
        assert "\\toprule" in body
        assert "seq\\_ft" in body
        assert "replay\\textbar{}10\\%" in body
        for char in "_%&":
            unescaped = re.sub(r"\$[^$]*\$", "", body).replace(f"\\{char}", "").replace(" & ", "")
            assert char not in unescaped, char
        for char in "±Δ<>|–":  # noqa: RUF001
            assert char not in re.sub(r"\$[^$]*\$", "", body)
        assert body.count("{") == body.count("}")
    assert "m\\%\\_x" in to_latex(suites_table(groups_of(rows), "d"))
    assert "m\\%\\_x" in to_latex(matrix_table(groups_of(rows)[1], "d", "m"))


def test_markdown_keeps_its_columns(rows):
    lines = [line for line in main_table_markdown(Scores.of(rows)).splitlines() if line[0] == "|"]
    half = len(lines) // 2
    for grid in (lines[:half], lines[half:]):  # the scores, and the budget
        assert len({line.replace("\\|", "").count("|") for line in grid}) == 1
        assert len({len(line) for line in grid}) == 1


def test_terminal_tables_fit_120_columns(rows, run_rows):
    tasks = [f"task_number_{i}" for i in range(1, 10)]
    cells = {(t, tasks[i]): 0.5 for t in range(1, 10) for i in range(t)}
    wide = run_rows("wide", cells, general=(), tasks="|".join(tasks), sequence="long")
    text = matrix_markdown(Scores.of([*rows, *wide]), "wide")
    assert max(map(len, text.splitlines())) <= 120
    for task in tasks:
        assert task in text
    assert max(map(len, main_table_markdown(Scores.of(rows)).splitlines())) <= 120


def test_a_run_that_diverged_is_told_with_its_stage(rows, run_rows):
    """Whether or not it has any score."""
    early = run_rows("wild-1", dict.fromkeys(FIRST), general=(), method="wild", status="diverged")
    for row in rows:
        if row["run"] == "replay-1" and row["stage"] == 2:
            row |= {"value": None, "stderr": None, "status": "diverged"}
    notes = main_table(groups_of([*rows, *early]), "d").notes
    lacking = "incomplete: run {} lacks (stage, task) "
    assert notes[:2] == (
        f"{lacking.format('replay-1')}(2, a_1), (2, b), (2, m%_x); it diverged at stage 2.",
        f"{lacking.format('wild-1')}(1, a_1), (2, a_1), (2, b); it diverged at stage 1.",
    )
    whole = Scores.of([*rows, *early])
    assert "it diverged at stage 1" in main_table_markdown(whole)
    assert "(wild-1)" in matrix_markdown(whole, "wild-1")


def test_matrix_of_an_incomplete_run_can_be_printed(rows):
    kept = [row for row in rows if (row["run"], row["stage"]) != ("seqft-2", 2)]
    assert cells_of(matrix_markdown(Scores.of(kept), "seqft-2"), "a_1")[:2] == ["Stage", "Trained"]
    with pytest.raises(DataError, match=r"no run 'x'.*replay-1, seqft-1, seqft-2"):
        matrix_markdown(Scores.of(rows), "x")


def test_file_names_tell_groups_apart(rows, run_rows):
    names = list(matrix_names(groups_of(rows)))
    assert names == ["matrix_replay-10", "matrix_seq-ft"]
    other = run_rows("other", FIRST, model="micro/2")
    names = list(matrix_names(groups_of([*rows, *other])))
    assert names == ["matrix_seq-ft_micro-2", "matrix_replay-10_micro-1", "matrix_seq-ft_micro-1"]
    twins = [*run_rows("x", FIRST, method="a b"), *run_rows("y", FIRST, method="a-b")]
    assert list(matrix_names(groups_of(twins))) == ["matrix_a-b", "matrix_a-b-2"]


def test_the_command_writes_everything_with_equal_bytes(rows, tmp_path, capsys):
    scores = write_scores(rows, tmp_path / "scores.csv")
    for out in ("one", "two"):
        assert main(["--scores", str(scores), "--out", str(tmp_path / out)]) == 0
    printed = capsys.readouterr().out
    first = {p.relative_to(tmp_path / "one"): p for p in (tmp_path / "one").rglob("*.*")}
    names = [f"tables/{name}.{suffix}" for suffix in ("csv", "md", "tex")
             for name in ("main", "matrix_replay-10", "matrix_seq-ft", "suites")]  # fmt: skip
    names += ["tables/all.tex", "tables/budget.tex"]
    pictures = ["matrix_replay-10", "matrix_seq-ft", "matrices", "tasks", "suites"]
    names += [f"plots/{name}.{suffix}" for name in (*pictures, "learned_and_kept")
              for suffix in ("pdf", "svg", "png")]  # fmt: skip
    assert sorted(map(str, first)) == sorted(names)
    digest = Scores.of(rows).digest
    for name, path in first.items():
        assert path.read_bytes() == (tmp_path / "two" / name).read_bytes(), name
        assert str(path) in printed
        if path.name != "all.tex":
            assert digest.encode() in path.read_bytes(), name


def test_a_table_without_target_scores_is_an_error(tmp_path, score_row):
    scores = write_scores([score_row(suite="general")], tmp_path / "scores.csv")
    with pytest.raises(DataError, match="no headline score of a target task"):
        main(["--scores", str(scores), "--out", str(tmp_path)])


def test_only_incomplete_runs_still_give_a_report(tmp_path, capsys, score_row):
    scores = write_scores([score_row()], tmp_path / "scores.csv")
    assert main(["--scores", str(scores), "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "incomplete: run seqft-1 lacks (stage, task) (2, a_1), (2, b)." in printed
    assert printed.endswith("no run is complete: there is nothing to draw\n")
    assert not (tmp_path / "plots").exists()
    assert "\\begin{tabular}" in (tmp_path / "tables" / "main.tex").read_text(encoding="utf-8")


def test_labels_name_only_what_differs_and_sort_numbers_as_numbers(run_rows):
    """What all of the runs have in common is no part of their names."""
    shared = {"suite": [], "model.path": "/a/long path/of/a/model", "eval.limit": 8}
    rates = (1e-3, 2e-5, 1e-4, 10)
    rows = [
        row
        for rate in rates
        for row in run_rows(
            f"r{rate}", FIRST, group=f"g{rate}", settings={**shared, "train.learning_rate": rate}
        )
    ]
    rows += run_rows("r0", FIRST, group="g0", settings=shared)
    names = [group.method for group in groups_of(rows)]
    assert names == [
        "seq_ft",
        "seq_ft (train.learning_rate=2e-05)",
        "seq_ft (train.learning_rate=0.0001)",
        "seq_ft (train.learning_rate=0.001)",
        "seq_ft (train.learning_rate=10)",
    ]
    bare = [
        row | {"settings": {k: v for k, v in row["settings"].items() if k not in shared}}
        for row in rows
    ]
    printed = main_table_markdown(Scores.of(rows))
    assert "train.learning_rate=2e-05" in printed
    assert printed == main_table_markdown(Scores.of(bare))
    two = run_rows("x", FIRST, group="x", settings={"a": 1, "b": "t"})
    two += run_rows("y", FIRST, group="y", settings={"a": 1, "b": "s", "c": [1, "z"]})
    assert [group.method for group in groups_of(two)] == [
        'seq_ft (b=s, c=[1, "z"])',
        "seq_ft (b=t)",
    ]


def test_columns_that_say_nothing_vanish_in_print(run_rows):
    """No suite is called safety here; programs have the column all the same."""
    table = main_table(groups_of(run_rows("a", FIRST)), "d")
    markdown = to_markdown(table)
    assert "Δ general" in markdown
    assert not {"Δ safety", "Stored rows"} & set(cells_of(markdown, "Model"))
    assert by_method(table)["seq_ft"]["delta_safety"] == ""
    assert "Δ safety" not in main_table_markdown(Scores.of(run_rows("a", FIRST)))
    assert table.columns([0]).without_empty() == table.columns([0])
