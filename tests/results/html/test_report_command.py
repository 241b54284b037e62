"""What the report holds, against what was written into the store, and what it lacks."""

import base64
import json
import os
import re
import shutil
import struct
import zlib

from support.command import harness, only_error

from harness.store.broken import Broken, note_broken
from harness.store.status import Status
from harness.store.store import Store

KEY = "eval0000100".ljust(20, "0")  # run 0, stage 1, the first task


def index_of(text: str) -> dict:
    return json.loads(re.search(r'id="index">(.*?)</script>', text, re.DOTALL)[1])


def piece_of(text: str, number: int):
    packed = re.search(rf'id="piece-{number}">([^<]*)<', text)[1]
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def floats(packed: str) -> list[float]:
    data = base64.b64decode(packed)
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def sheet(index: dict, run: int, stage: int, benchmark: str) -> dict:
    sheets = [index["sheets"][s] for at, s in index["runs"][run]["cells"] if at == stage]
    return next(s for s in sheets if index["sets"][s["set"]]["benchmark"] == benchmark)


def test_the_index_has_every_score_and_every_text(place):
    done = place.report()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{place.out}" in done.stdout
    text = place.out.read_text()
    index = index_of(text)
    assert [run["name"] for run in index["runs"]] == ["method_0", "method_1"]
    assert index["runs"][0]["tasks"] == ["letters", "words"]
    # Two tasks before training, one after the first, two after the second: 5 cells of 40 items.
    assert [len(run["cells"]) for run in index["runs"]] == [5, 5]
    assert "400 predictions" in done.stdout
    for run, stage, task, name, metric in (
        (0, 1, 0, "letters", "accuracy"),
        (1, 2, 1, "words", "rouge_l"),
    ):
        one = sheet(index, run, stage, name)
        assert floats(one["strict"]) == place.scores_of(run, stage, task, metric)
        assert floats(one["lenient"]) == place.scores_of(run, stage, task, f"{metric}_lenient")
    rows = [json.loads(x) for x in (place.made.store / "eval" / KEY / "predictions.jsonl").open()]
    one = sheet(index, 0, 1, "letters")
    assert piece_of(text, one["texts"]) == [row["prediction"][0] for row in rows]
    assert piece_of(text, index["sets"][one["set"]]["texts"])[1] == [row["target"] for row in rows]


def prompts_in(text: str) -> dict[str, list[str] | None]:
    return {one["benchmark"]: piece_of(text, one["texts"])[0] for one in index_of(text)["sets"]}


def test_prompts_are_there_once(place):
    place.report()
    text = place.out.read_text()
    assert len(index_of(text)["sets"]) == 2
    for name, prompts in prompts_in(text).items():
        rows = json.loads((place.made.data / name / "test.json").read_text())
        assert prompts == [row["prompt"] for row in rows]


def test_prompts_of_a_file_that_changed_are_not_shown(place):
    path = place.made.data / "words" / "test.json"
    rows = json.loads(path.read_text())
    path.write_text(json.dumps([{**row, "prompt": "another"} for row in rows]))
    (place.made.data / "letters" / "test.json").unlink()
    assert place.report().returncode == 0
    assert prompts_in(place.out.read_text()) == {"letters": None, "words": None}


def test_a_report_without_texts_has_none(place):
    secret = "unlikely-answer"
    place.rewrite(KEY, lambda row: row.update(prediction=[secret], target=secret))
    assert place.report().returncode == 0
    text = place.out.read_text()
    index = index_of(text)
    assert secret in json.dumps(
        [piece_of(text, n) for n in range(len(re.findall('id="piece-', text)))]
    )
    assert place.report("--no-texts").returncode == 0
    text = place.out.read_text()
    assert 'id="piece-' not in text
    assert secret not in text
    assert index_of(text)["runs"] == index["runs"]


def test_a_long_answer_is_cut_and_says_so(place):
    place.rewrite(KEY, lambda row: row.update(prediction=["x" * 1_000_000]))
    place.report()
    text = place.out.read_text()
    answer = piece_of(text, sheet(index_of(text), 0, 1, "letters")["texts"])[0]
    assert len(answer) < 21_000
    assert answer.endswith("[cut here: 1,000,000 characters in the store]")


def test_answers_that_are_no_text_are_shown_as_json(place):
    place.rewrite(KEY, lambda row: row.update(prediction=[[-1.5, False], [-2.0, True]]))
    place.report()
    text = place.out.read_text()
    answer = piece_of(text, sheet(index_of(text), 0, 1, "letters")["texts"])[0]
    assert json.loads(answer) == [[-1.5, False], [-2.0, True]]


def test_more_predictions_than_are_wanted_are_left_out_and_told(place):
    done = place.report("--predictions=100")
    assert "the first 80 predictions of more" in done.stdout
    assert sum(len(run["cells"]) for run in index_of(place.out.read_text())["runs"]) == 2


def test_what_is_missing_is_told_and_the_rest_is_there(place):
    (place.made.store / "eval" / KEY / "predictions.jsonl").write_text('{"item": 0, "pre')
    (place.made.store / "train" / "train00001".ljust(20, "0") / "training.json").unlink()
    (place.made.store / "runs" / "broken.json").write_text("[]")
    done = place.report()
    assert (done.returncode, done.stderr) == (0, "")
    told, wrote = done.stdout.splitlines()
    assert "360 predictions" in wrote
    for gap in (
        "broken.json is not the record of a run",
        "run run00000000000000000: the log of stage 1 is not there",
        "run run00000000000000000: 1 scores without predictions",
    ):
        assert gap in told
        assert f"Missing: {gap}." in place.out.read_text()


def test_records_of_another_shape_are_left_out(place):
    path = place.made.store / "runs" / "run00000000000000000.json"
    record = json.loads(path.read_text())
    wrong = [
        ("settings", [1]),
        ("tasks", [1, 2]),
        ("method", {"a": 1}),
        ("tasks", 7),
        ("seed", "a"),
    ]
    damaged = [{**record, "run": {**record["run"], name: value}} for name, value in wrong]
    for name, value in (("benchmark", [1]), ("stage", "0"), ("shots", {}), ("filter", None)):
        cells = [{**record["cells"][0], name: value}, *record["cells"][1:]]
        damaged.append({**record, "cells": cells})
    damaged.append({**record, "run": {**record["run"], "run": "run00000000000000001"}})
    for content in damaged:
        path.write_text(json.dumps(content))
        done = place.report()
        assert done.returncode == 0, done.stderr
        assert "run00000000000000000.json is not the record of a run" in done.stdout


def test_numbers_that_are_none_break_nothing(place):
    values = iter([1e400, "high", None, True, [1], -1e400, 10**400] * 10)
    place.rewrite(KEY, lambda row: row["values"].update(accuracy=next(values)))
    path = place.made.store / "train" / "train00001".ljust(20, "0") / "training.json"
    log = json.loads(path.read_text())
    log["steps"][0] |= {"loss": float("nan"), "grad_norm": 1e400}
    path.write_text(json.dumps(log))
    assert place.report().returncode == 0


def test_without_a_store_there_is_a_report_of_the_scores(place):
    named = (f"--scores={place.made.scores}", f"--out={place.out}")
    done = harness("report", *named, cwd=place.root / "data")
    assert done.returncode == 0
    assert "missing: no store" in done.stdout
    text = place.out.read_text()
    assert "method_1" in text
    assert 'id="runs"' not in text


def test_what_is_wrong_is_one_line_and_nothing_is_written(place):
    wrong = only_error(place.report("--store=nowhere"))
    assert "--store: there is no folder nowhere" in wrong
    assert "give 0 or more" in only_error(place.report("--predictions=-1"))
    whole = place.made.scores.read_text()
    place.made.scores.write_text(whole[: whole.rindex(",target,")])
    assert "scores.csv" in only_error(place.report())
    place.made.scores.write_text(whole.split("\n", 1)[0] + "\n")
    assert "no headline score" in only_error(place.report())
    place.made.scores.unlink()
    assert "no table of scores there" in only_error(place.report())
    assert not place.out.exists()


def test_a_place_that_cannot_be_written_is_one_line(place):
    (place.root / "out").write_text("a file")
    assert "cannot be written" in only_error(place.report())


def test_why_a_run_ended_is_told(place):
    key = "train00102".ljust(20, "0")
    shutil.rmtree(place.made.store / "train" / key)
    shutil.rmtree(place.made.store / "eval" / "eval0010200".ljust(20, "0"))
    broken = Broken(Status.diverged, 2, "train words", "run1", "diverged", 0.0, step=7, loss=1e9)
    note_broken(Store(place.made.store), ("train", key), broken)
    assert place.report().returncode == 0
    page = run_page(place.out.read_text(), 1)
    assert (
        "<strong>diverged</strong>: stage 2, train words: diverged at step 7 (loss 1e+09)" in page
    )
    assert "diverged" not in run_page(place.out.read_text(), 0)


def run_page(text: str, run: int) -> str:
    return re.search(rf'id="run-run{run:017d}".*?</section>', text, re.DOTALL)[0]


def test_a_page_per_run_says_what_sets_it_apart(place):
    place.report()
    text = place.out.read_text()
    page = run_page(text, 1)
    found = re.search(r"<code>method.name</code></td><td>(.*?)</td><td>(.*?)</td>", page)
    assert found.groups() == ("method_1", "method_0 (method_0)")
    assert "<code>seed</code>" not in page  # both have the same
    assert page.count("<polyline") == 4  # loss and gradient norm of two stages
    assert "9,000" in page


def test_the_figures_of_the_anatomy_are_there_where_they_were_drawn(place):
    run, out = "run00000000000000000", place.root / "anatomy"
    places = (f"--scores={place.made.scores}", f"--store={place.made.store}", f"--out={out}")
    assert harness("anatomy", "items", "--run", run, *places).returncode == 0
    done = place.report(f"--anatomy={out}")
    assert done.returncode == 0
    assert "anatomy" not in done.stdout
    page = re.search(r'<section [^>]*id="anatomy".*?</section>', place.out.read_text(), re.S)[0]
    assert f"Items kept, gained and lost, by stage: method_0 ({run})" in page
    assert "another table" not in page
    [picture] = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', page)
    drawn = out / "items_run00000.svg"
    assert base64.b64decode(picture) == drawn.read_bytes()
    drawn.write_text(drawn.read_text().replace("scores table sha256", "scores table sha257"))
    (out / "other.svg").write_text("<b>hello</b>")
    os.mkfifo(out / "pipe.svg")
    done = place.report(f"--anatomy={out}")
    assert "other.svg of the anatomy is no figure" in done.stdout
    assert "pipe.svg of the anatomy is no figure" in done.stdout
    assert "Drawn from another table of scores than this report." in place.out.read_text()
    assert 'id="anatomy"' not in report_without(place)


def report_without(place) -> str:
    assert place.report("--anatomy=nowhere").returncode == 0
    return place.out.read_text()
