"""The table of learning rates: chosen on eval, reported on test, and a choice on test is named."""

import csv
import io

from harness.cli.tables import main
from harness.results.report.printing import to_csv
from harness.results.report.rates import rates_table
from harness.results.runs import load_runs
from harness.results.schema import Scores, write_scores


def cells(first, last, diagonal=0.9):
    return {(1, "a_1"): diagonal, (2, "a_1"): first, (2, "b"): last}


def job(make, rate, split, op, seed=1, method="seq_ft", **other):
    """A run at a rate whose OP is `op`."""
    told = {"eval.split": split, "train.learning_rate": float(rate), **other}
    name = f"{method}-{rate}-{split}-{seed}-{other}"
    return make(
        name, cells(op, op), settings=told, split=split, seed=seed, method=method,
        group=f"{method}-{rate}-{split}-{other}",
    )  # fmt: skip


def records(rows):
    table = rates_table(load_runs(Scores.of(rows)), "d")
    return table and list(csv.DictReader(io.StringIO(to_csv(table)))), table


def test_the_rate_is_chosen_on_eval_and_reported_on_test(run_rows):
    rows = [
        *job(run_rows, "1e-4", "eval", 0.6),
        *job(run_rows, "1e-3", "eval", 0.5),
        *job(run_rows, "1e-4", "test", 0.4),
        *job(run_rows, "1e-3", "test", 0.7),  # better there, which must not matter
    ]
    (found,), table = records(rows)
    assert found["rates"] == "0.0001, 0.001"
    assert (found["split"], found["rate"]) == ("eval", "0.0001")
    assert float(found["op"]) == 40
    assert float(found["bwt"]) == -50
    assert table.notes == ()


def test_a_choice_on_test_is_named(run_rows):
    rows = [*job(run_rows, "1e-4", "test", 0.4), *job(run_rows, "1e-3", "test", 0.7)]
    (found,), table = records(rows)
    assert (found["split"], found["rate"], float(found["op"])) == ("test", "0.001", 70)
    assert "too high" in table.notes[0]


def test_seeds_are_averaged_before_the_choice(run_rows):
    rows = [
        *job(run_rows, "1e-4", "test", 0.1),
        *job(run_rows, "1e-4", "test", 0.9, seed=2),
        *job(run_rows, "1e-3", "test", 0.6),
        *job(run_rows, "1e-3", "test", 0.6, seed=2),
    ]
    (found,), _ = records(rows)
    assert (found["rate"], found["seeds"], float(found["op"])) == ("0.001", "2", 60)


def test_a_rate_that_was_not_tested_has_dashes(run_rows):
    rows = [*job(run_rows, "1e-4", "eval", 0.6), *job(run_rows, "1e-3", "eval", 0.5)]
    (found,), _ = records(rows)
    assert (found["rate"], found["op"]) == ("0.0001", "")


def test_other_settings_are_other_rows(run_rows):
    rows = []
    for other in ({}, {"model.x": 1}):
        rows += job(run_rows, "1e-4", "test", 0.4, suite=[], **other)
        rows += job(run_rows, "1e-3", "test", 0.5, suite=[], **other)
    found, _ = records(rows)
    assert [record["method"] for record in found] == ["seq_ft", "seq_ft (model.x=1)"]


def test_one_rate_makes_no_table(run_rows, tmp_path):
    rows = job(run_rows, "1e-4", "test", 0.4)
    assert records(rows) == (None, None)
    write_scores(rows, tmp_path / "scores.csv")
    assert main(["--scores", str(tmp_path / "scores.csv"), "--out", str(tmp_path)]) == 0
    assert not (tmp_path / "tables/rates.md").exists()


def test_the_command_writes_it(run_rows, tmp_path, capsys):
    rows = [*job(run_rows, "1e-4", "test", 0.4), *job(run_rows, "1e-3", "test", 0.7)]
    write_scores(rows, tmp_path / "scores.csv")
    main(["--scores", str(tmp_path / "scores.csv"), "--out", str(tmp_path)])
    assert "rates.md" in capsys.readouterr().out
    assert "| 0.0001, 0.001 | test" in (tmp_path / "tables/rates.md").read_text()
