"""`harness metrics` and its script: output, JSON, and one line for every mistake of a user."""

import json

import pytest
from support.command import harness
from support.command import script as run_script

from harness.cli.metrics import main
from harness.errors import ConfigError, DataError

HEADER = "stage,task,value,n"
ROWS = [
    "1,a,0.8,100", "2,a,0.6,100", "2,b,0.9,100", "3,a,0.5,100", "3,b,0.7,100", "3,c,0.6,100",
]  # fmt: skip


def write(tmp_path, rows, header=HEADER):
    path = tmp_path / "scores.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def script(*arguments):
    return run_script("continual_metrics.py", *arguments)


def as_json(capsys, *arguments):
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_of_a_hand_computed_matrix(tmp_path, capsys):
    found = as_json(capsys, write(tmp_path, ROWS))
    assert found["tasks"] == ["a", "b", "c"]
    assert found["op"] == pytest.approx(0.6)
    assert found["bwt"] == pytest.approx(-0.25)
    assert found["forgetting"] == pytest.approx(0.25)
    assert found["learning_accuracy"] == pytest.approx(2.3 / 3)
    assert found["op_curve"] == pytest.approx([0.8, 0.75, 0.6])
    assert found["learning_gain"] is found["fwt"] is None
    variances = [0.5 * 0.5 / 100, 0.7 * 0.3 / 100, 0.6 * 0.4 / 100]
    assert found["op_item_error"] == pytest.approx(sum(variances) ** 0.5 / 3)
    assert found["fwt_item_error"] is None


def test_stage_zero_and_super_diagonal_add_gain_and_forward_transfer(tmp_path, capsys):
    extra = ["0,a,0.1,9", "0,b,0.2,9", "0,c,0.3,9", "1,b,0.3,9", "2,c,0.4,9"]
    path = write(tmp_path, [*ROWS, *extra])
    found = as_json(capsys, path, "--order", "a,b,c")
    assert found["learning_gain"] == pytest.approx((0.7 + 0.7 + 0.3) / 3)
    assert found["fwt"] == pytest.approx(0.1)


def test_text_names_every_definition(tmp_path, capsys):
    assert main([write(tmp_path, ROWS)]) == 0
    text = capsys.readouterr().out
    for part in ("op ", "0.6000", "-0.2500", "bwt_over_T", "(T-1)", "mean_op", "forgetting", "±"):
        assert part in text


def test_the_order_of_rows_does_not_matter_but_order_can_be_given(tmp_path, capsys):
    path = write(tmp_path, ROWS[::-1])
    assert as_json(capsys, path)["tasks"] == ["a", "b", "c"]
    joint = write(tmp_path, ["2,b,0.5,", "2,a,0.7,"])
    assert as_json(capsys, joint, "--schedule", "joint")["op"] == pytest.approx(0.6)


def test_a_stderr_column_wins_over_n(tmp_path, capsys):
    path = write(tmp_path, ["1,a,0.8,0.03,100"], "stage,task,value,stderr,n")
    found = as_json(capsys, path)
    assert found["op_item_error"] == pytest.approx(0.03)
    assert found["bwt"] is None


def test_several_seeds_give_means_and_deviations(tmp_path, capsys):
    rows = ["1,a,0.8,1", "1,a,0.6,2", "1,a,0.7,3"]
    found = as_json(capsys, write(tmp_path, rows, "stage,task,value,seed"))
    assert found["op"] == pytest.approx(0.7)
    assert found["op_seed_sd"] == pytest.approx(0.1)
    assert [run["op"] for run in found["runs"]] == pytest.approx([0.8, 0.6, 0.7])


def test_different_runs_are_never_averaged(tmp_path, capsys):
    rows = ["1,a,0.8,ewc,1", "1,a,0.6,replay,2"]
    found = as_json(capsys, write(tmp_path, rows, "stage,task,value,run,seed"))
    assert "op" not in found
    assert {run["run"]: run["op"] for run in found["runs"]} == {"ewc": 0.8, "replay": 0.6}


ALONE = """\
stage,task,value,run,schedule,seed,method,model
1,a,0.8,seq,sequential,1,seqft,m
2,a,0.4,seq,sequential,1,seqft,m
2,b,0.6,seq,sequential,1,seqft,m
1,a,0.9,one,single,1,single,m
2,b,0.7,one,single,1,single,m
1,a,0.7,one,single,2,single,m
2,b,0.9,one,single,2,single,m
1,a,0.1,far,single,1,single,other
2,b,0.1,far,single,1,single,other
"""


def test_models_tuned_alone_give_intransigence_and_a_normalised_op(tmp_path, capsys):
    path = tmp_path / "scores.csv"
    path.write_text(ALONE, encoding="utf-8")
    found = as_json(capsys, str(path))["runs"][0]
    # single = .8 for a and for b, over two seeds of the same model
    assert found["intransigence"] == pytest.approx((0.8 - 0.8 + 0.8 - 0.6) / 2)
    assert found["op_normalised"] is None
    runs = as_json(capsys, str(path), "--floors", "a=0.2,b=0.4")["runs"]
    assert runs[0]["op_normalised"] == pytest.approx((0.2 / 0.6 + 0.2 / 0.4) / 2)
    assert [run["intransigence"] for run in runs[1:]] == [None] * 3
    assert main([str(path), "--floors", "a=0.2,b=0.4"]) == 0
    text = capsys.readouterr().out
    assert "mean_i (single_i - R[i,i])" in text
    assert text.count("op_normalised") == 1
    # Models tuned alone by two methods: which to compare with would be a guess.
    path.write_text(ALONE.replace("2,single,m", "2,lora,m"), encoding="utf-8")
    assert as_json(capsys, str(path))["runs"][0]["intransigence"] is None


def test_floors_of_the_file(tmp_path, capsys):
    """The table's own floors normalise OP; where a lone model is not above one, nothing does."""
    header, *rows = ALONE.splitlines()
    lowest = {"a": 0.2, "b": 0.4}
    known = [f"{row},{lowest[row.split(',')[1]]}" for row in rows]
    [first, *_] = as_json(capsys, write(tmp_path, known, f"{header},floor"))["runs"]
    assert first["op_normalised"] == pytest.approx((0.2 / 0.6 + 0.2 / 0.4) / 2)
    [first, *_] = as_json(capsys, write(tmp_path, known, f"{header},floor"), "--floors", "a=0.6")[
        "runs"
    ]
    assert first["op_normalised"] == pytest.approx((-0.2 / 0.2 + 0.2 / 0.4) / 2)
    high = [row.replace("seqft,m,0.4", "seqft,m,0.8") for row in known]
    [first, *_] = as_json(capsys, write(tmp_path, high, f"{header},floor"))["runs"]
    assert first["op_normalised"] is None
    with pytest.raises(DataError, match="line 2: floor 2 is outside"):
        main([write(tmp_path, [f"{rows[0]},2"], f"{header},floor")])


def test_runs_of_one_group_are_seeds(tmp_path, capsys):
    rows = ["1,a,0.8,r1,1,g", "1,a,0.6,r2,2,g", "1,a,0.7,r3,3,g"]
    found = as_json(capsys, write(tmp_path, rows, "stage,task,value,run,seed,group"))
    assert (found["seeds"], found["op"]) == (3, pytest.approx(0.7))


@pytest.mark.parametrize(
    ("floors", "message"),
    [
        ("a=0.2", "no floor for task 'b'"),
        ("a=0.2,b", "--floors 'b': write task=score"),
        ("a=0.2,b=40", "--floors 'b=40': write task=score"),
        ("a=0.2,b=0.8", "not above its floor"),
    ],
)
def test_floor_mistakes(tmp_path, floors, message):
    path = tmp_path / "scores.csv"
    path.write_text(ALONE, encoding="utf-8")
    with pytest.raises((ConfigError, DataError), match=message):
        main([str(path), "--floors", floors])
    with pytest.raises(DataError, match="needs runs of schedule single"):
        main([write(tmp_path, ROWS), "--floors", "a=0.1,b=0.1,c=0.1"])


def test_ends_only(tmp_path, capsys):
    path = write(tmp_path, [row for row in ROWS if row != "2,a,0.6,100"])
    with pytest.raises(DataError, match="task 'a' at stage 2"):
        main([path])
    found = as_json(capsys, path, "--past", "ends")
    assert found["bwt"] == pytest.approx(-0.25)
    assert found["forgetting"] is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS[:-1], "3,c,60,100"], "line 7: value 60 is outside 0..1"),
        ([*ROWS[:-1], "3,c,-0.1,100"], "line 7: value -0.1 is outside 0..1"),
        ([*ROWS[:-1], "3,c,nan,100"], "line 7: value 'nan' is not a number"),
        ([*ROWS[:-1], "3,c,,100"], "line 7: value '' is not a number"),
        ([*ROWS[:-1], "3,c,good,100"], "line 7: value 'good' is not a number"),
        ([*ROWS, "3,c,0.6,100"], "line 8: task 'c' at stage 3 was already scored in line 7"),
        ([*ROWS, "4,c,0.6,100"], "line 8: stage 4, but 3 tasks"),
        ([*ROWS, "1.5,c,0.6,100"], "line 8: stage 1.5 must be a whole number"),
        ([*ROWS, "-1,c,0.6,100"], "line 8: stage -1 must be a whole number"),
        ([*ROWS[:-1], "3,c,0.6,0"], "line 7: n 0 must be a whole number >= 1"),
        ([*ROWS[:-1], "3,c,0.6"], "line 7: needs 4 fields"),
        ([*ROWS[:-1], "3,c,0.6,1,2"], "line 7: needs 4 fields"),
        ([*ROWS[:-1], "3,,0.6,1"], "line 7: the task has no name"),
        ([*ROWS, "0,d,0.6,1"], "task 'd' has no score at a stage >= 1"),
        (ROWS[:3] + ROWS[4:], "task 'a' at stage 3"),
        ([], "holds no score"),
    ],
)
def test_mistakes_in_the_file(tmp_path, rows, message):
    with pytest.raises(DataError) as caught:
        main([write(tmp_path, rows)])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_order_mistakes(tmp_path):
    path = write(tmp_path, ROWS)
    for order, message in [("a,b,d", "'d'"), ("a,b", "exactly once"), ("a,,b", "empty name")]:
        with pytest.raises(ConfigError, match=message):
            main([path, "--order", order])
    together = write(tmp_path, ["1,a,0.5,", "1,b,0.5,", "2,a,0.5,", "2,b,0.5,"])
    with pytest.raises(ConfigError, match="--order a,b"):
        main([together])
    assert main([together, "--order", "b,a"]) == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "no such file"),
        ("empty.csv", b"", "is empty"),
        ("binary.csv", b"\xff\xfe\x00", "cannot be read"),
        ("short.csv", b"stage,value\n1,0.5\n", "lacks the column 'task'"),
        ("twice.csv", b"stage,task,value,value\n1,a,0.5,0.5\n", "'value' appears twice"),
        ("good.csv", b"stage,task,value\n1,a,5\n", "divide percentages by 100"),
    ],
)
def test_the_script_ends_with_one_line_and_code_2(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    done = script(str(path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["x.csv", "--oder", "a"], ["x.csv", "--schedule", "x"]])
def test_wrong_arguments_are_one_line_too(arguments):
    done = script(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_the_script_prints_the_measures(tmp_path):
    done = script(write(tmp_path, ROWS), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["op"] == pytest.approx(0.6)


def test_the_script_is_the_verb(tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text("stage,task,value\n1,a,0.5\n2,a,0.25\n2,b,0.75\n")
    done = script(str(scores), "--json")
    assert done.stdout == harness("metrics", str(scores), "--json").stdout
    assert json.loads(done.stdout)["bwt"] == -0.25
