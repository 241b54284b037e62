"""The tidy table: writing, reading, checking."""

import hashlib
import random
import subprocess
import sys

import pytest

from harness.errors import DataError
from harness.results.columns import COLUMNS
from harness.results.schema import Scores, read_scores, write_scores


def test_what_is_written_is_read(rows, tmp_path):
    rows[1]["settings"] = {"train.learning_rate": 1e-4, "suite": ["a b", "c,d"], "x": {"y": None}}
    rows[0] |= {"value": 0.1 + 0.2, "subtask": "NA", "filter": 'x,"y"\nz', "headline": False}
    path = write_scores(rows, tmp_path / "new" / "scores.csv")
    scores = read_scores(path)
    frame = scores.frame()
    assert list(frame.columns) == [column.name for column in COLUMNS]
    found = {(r["run"], r["stage"], r["suite"], r["benchmark"]): r for r in scores.rows}
    assert len(found) == len(rows)
    for row in rows:
        assert found[row["run"], row["stage"], row["suite"], row["benchmark"]] == row
    assert frame["value"].dtype == "float64"
    assert frame["stage"].dtype == "Int64"


def test_bytes_depend_on_the_scores_only(rows, tmp_path):
    first = write_scores(rows, tmp_path / "a.csv").read_bytes()
    shuffled = [dict(reversed(row.items())) for row in rows]
    random.Random(0).shuffle(shuffled)
    assert write_scores(shuffled, tmp_path / "b.csv").read_bytes() == first
    assert write_scores(read_scores(tmp_path / "a.csv").rows, tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv", "c.csv"]


def test_the_digest_is_that_of_the_file(rows, tmp_path):
    path = write_scores(rows, tmp_path / "scores.csv")
    digest = read_scores(path).digest
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    rows[0]["value"] += 1e-12
    assert Scores.of(rows).digest != digest


def test_numpy_numbers_are_written_as_plain_ones(tmp_path, score_row):
    numpy = pytest.importorskip("numpy")
    path = write_scores([score_row(value=numpy.float64(0.25))], tmp_path / "scores.csv")
    assert ",0.25," in path.read_text()
    assert "np." not in path.read_text()


def test_unknown_columns_are_kept_behind_the_known_ones(tmp_path, score_row):
    path = write_scores([score_row(lr="1e-4"), score_row(run="x")], tmp_path / "scores.csv")
    scores = read_scores(path)
    assert list(scores.frame().columns)[-1] == "lr"
    assert [row.get("lr") for row in scores.rows] == ["1e-4", None]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": 1.2}, "value 1.2 is outside 0..1"),
        ({"value": float("nan")}, "value nan is not of type float"),
        ({"value": "0.5"}, "value '0.5' is not of type float"),
        ({"stage": True}, "stage True is not of type int"),
        ({"run": None}, "run is null"),
        ({"headline": None}, "headline is null"),
        ({"schema": 1}, "schema 1 is not 2"),
        ({"schedule": "parallel"}, "schedule 'parallel' is not one of"),
        ({"past": "some"}, "past 'some' is not one of"),
    ],
)
def test_wrong_rows_are_not_written(tmp_path, changes, message, score_row):
    with pytest.raises(DataError) as caught:
        write_scores([score_row(**changes)], tmp_path / "scores.csv")
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_measures_in_other_units_may_exceed_one(tmp_path, score_row):
    row = score_row(suite="cost", unit="gpu_hours", value=12.5, headline=False)
    assert [r["value"] for r in read_scores(write_scores([row], tmp_path / "scores.csv")).rows] == [
        12.5
    ]


def test_two_rows_for_one_score_are_refused(tmp_path, score_row):
    with pytest.raises(DataError, match="two rows for one score, run=seqft-1, stage=1"):
        write_scores([score_row(), score_row(value=0.6)], tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (",0.5,", ",high,", "line 2: value 'high' is not a number"),
        (",True,", ",yes,", "line 2: headline 'yes' is not True or False"),
        ("run,", "ran,", "lacks the column 'run'"),
        (",hf,", ",", "line 2: has more or fewer fields"),
    ],
)
def test_damaged_files_are_refused(tmp_path, before, after, message, score_row):
    path = write_scores([score_row()], tmp_path / "scores.csv")
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(DataError, match=message):
        read_scores(path)


def test_a_column_that_may_be_null_may_be_absent(tmp_path, score_row):
    path = write_scores([score_row()], tmp_path / "scores.csv")
    lines = [line.split(",") for line in path.read_text().splitlines()]
    place = lines[0].index("side")
    path.write_text("".join(",".join(x[:place] + x[place + 1 :]) + "\n" for x in lines))
    assert read_scores(path).rows == (score_row(),)


def test_a_missing_file_and_an_unwritable_place_are_named(tmp_path, score_row):
    with pytest.raises(DataError, match=r"absent\.csv: no table of scores"):
        read_scores(tmp_path / "absent.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_scores([score_row()], tmp_path / "file" / "scores.csv")


def test_writing_needs_no_pandas(tmp_path):
    code = (
        "import sys; from harness.results.schema import write_scores;"
        f"write_scores([], {str(tmp_path / 'scores.csv')!r}); print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
