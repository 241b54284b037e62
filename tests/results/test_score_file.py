"""`harness metrics` on the harness's own table: read by the table's own rules."""

import json

import pytest

from harness.cli.metrics import main
from harness.errors import ConfigError, DataError
from harness.results.schema import write_scores

SEQUENTIAL = {(1, "a_1"): 0.8, (2, "a_1"): 0.4, (2, "b"): 0.6}
ALONE = {(1, "a_1"): 0.9, (2, "b"): 0.7}


@pytest.fixture
def told(tmp_path, capsys):
    """The JSON that the command prints for rows of a table."""

    def run(rows, *arguments):
        path = write_scores(rows, tmp_path / "scores.csv")
        assert main([str(path), *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def by_run(found):
    return {record["run"]: record for record in found["runs"]}


def test_only_headline_scores_of_the_tasks_count(told, run_rows, score_row):
    rows = [
        *run_rows("r1", SEQUENTIAL),
        score_row(run="r1", metric="lenient", headline=False, value=1.0),
        score_row(run="r1", subtask="part", value=1.0),
        score_row(run="r1", suite="cost", benchmark="training", unit="hours", value=40.0),
        score_row(run="r1", stage=0, value=None, status="failed"),
    ]
    found = told(rows)
    assert (found["op"], found["bwt"]) == (pytest.approx(0.5), pytest.approx(-0.4))
    assert (found["tasks"], found["seed"], found["learning_gain"]) == (["a_1", "b"], "1", None)


def test_a_run_that_diverged_is_left_out_by_name(run_rows, score_row, tmp_path, capsys):
    ended = {"run": "r2", "value": None, "status": "diverged"}
    rows = [
        *run_rows("r1", SEQUENTIAL),
        *run_rows("r2", {(1, "a_1"): 0.8}, general=()),
        score_row(**ended, stage=2),
        score_row(**ended, stage=2, benchmark="b"),
    ]
    assert main([str(write_scores(rows, tmp_path / "scores.csv")), "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["run"] == "r1"
    assert told.err == "run r2 is left out: it diverged at stage 2\n"


def test_method_and_suites_are_no_other_setting(told, run_rows):
    seq = {
        "group": "f", "settings": {"method.strength": 3, "method.replay": {"ratio": 0.1}},
    }  # fmt: skip
    one = {"schedule": "single", "method": "single", "group": "g", "settings": {"suite": []}}
    rows = [*run_rows("seq", SEQUENTIAL, **seq), *run_rows("one", ALONE, **one)]
    assert by_run(told(rows))["seq"]["intransigence"] == pytest.approx((0.1 + 0.1) / 2)
    # Models tuned alone in two ways: which of them would be a guess.
    low = {(1, "a_1"): 0.5, (2, "b"): 0.3}
    another = run_rows("low", low, **{**one, "group": "h", "settings": {"method.rank": 1}})
    assert by_run(told([*rows, *another]))["seq"]["intransigence"] is None
    other = {**seq, "settings": {"train.batch_size": 3}}
    rows = [*run_rows("seq", SEQUENTIAL, **other), *run_rows("one", ALONE, **one)]
    assert by_run(told(rows))["seq"]["intransigence"] is None


def test_the_table_s_floors_and_seeds(told, run_rows):
    rows = [
        *run_rows("r1", SEQUENTIAL, group="g"),
        *run_rows("r2", SEQUENTIAL, group="g", seed=2),
        *run_rows("one", ALONE, schedule="single", method="single"),
    ]
    known = [row | {"floor": {"a_1": 0.2, "b": 0.4}.get(row["benchmark"])} for row in rows]
    found = by_run(told(known))
    assert found["r1"]["op_normalised"] == pytest.approx((0.2 / 0.7 + 0.2 / 0.3) / 2)
    assert told(rows[:8])["seeds"] == 2


def test_mistakes(tmp_path, told, run_rows, score_row):
    rows = run_rows("r1", SEQUENTIAL)
    with pytest.raises(DataError, match="'a_1' at stage 1 was already scored in the row of acc"):
        told([*rows, score_row(run="r1", metric="f1", value=1.0)])
    with pytest.raises(ConfigError, match="the order names 'c'"):
        told(rows, "--order", "a_1,b,c")
    with pytest.raises(DataError, match="holds no headline score of a target task"):
        told([score_row(suite="general")])
    path = write_scores(rows, tmp_path / "scores.csv")
    path.write_text(path.read_text().replace(",0.4,", ",1.4,"))
    with pytest.raises(DataError, match=r"value 1\.4 is outside 0\.\.1"):
        main([str(path)])


def test_a_table_of_version_0_1_is_told_what_to_do(tmp_path, rows):
    path = write_scores(rows, tmp_path / "scores.csv")
    path.write_text(path.read_text().replace("settings", "variant", 1))
    with pytest.raises(DataError) as caught:
        main([str(path)])
    assert "a table of version 0.1" in str(caught.value)
    assert "writes it anew" in str(caught.value)
    assert "\n" not in str(caught.value)
