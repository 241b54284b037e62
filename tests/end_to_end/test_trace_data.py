"""Real input: the eight TRACE tasks through the whole path, a few samples each; bare folders."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.command import harness, refused
from support.places import DATA, MICRO_MODEL, needs_data
from support.raw_files import write_rows

from harness.config.sequence import task_order
from harness.data.guess import guess_scorer
from harness.models.loading import load_prompts
from harness.plan.load import load
from harness.results.schema import read_scores

TRACE = DATA / "trace-500"
needs_trace = needs_data("trace-500")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every task with 6 training and 3 test rows."""
    root = tmp_path_factory.mktemp("trace")
    for name in load(["sequence=trace", "data=trace", "suite=[]", "data.root=x"]).task:
        for split, count in (("train", 6), ("test", 3)):
            rows = json.loads((TRACE / name / f"{split}.json").read_text(encoding="utf-8"))
            write_rows(root / name / f"{split}.json", rows[:count])
    return root


@needs_trace
@pytest.mark.distributed
def test_eight_real_tasks_end_to_end(few: Path, tmp_path: Path) -> None:
    done = harness(
        "experiment=trace500_micro",
        "train.max_steps=1",
        f"data.root={few}",
        f"store.root={tmp_path / 'store'}",
        f"store.results={tmp_path / 'results'}",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "cut to fit while training MeetingBank: 100.0% of its prompts" in done.stdout
    frame = read_scores(tmp_path / "results" / "scores.csv").frame()
    assert len(frame[frame["headline"]]) == 8 + 36
    reports = [
        json.loads(path.read_text()) for path in (tmp_path / "store").glob("train/*/training.json")
    ]
    cut = {report["task"]: report["truncated"]["prompt"] for report in reports}
    assert cut["MeetingBank"] == 1.0  # transcripts of thousands of words
    assert cut["NumGLUE-cm"] == 0.0


@needs_trace
@pytest.mark.parametrize("task", ["C-STANCE", "20Minuten", "Py150", "MeetingBank"])
def test_the_micro_tokenizer_survives_real_text(task: str) -> None:
    prompts = load_prompts(load([]).model, MICRO_MODEL)
    rows = json.loads((TRACE / task / "test.json").read_text(encoding="utf-8"))[:10]
    for row in rows:
        ids = prompts.prompt_ids(row["prompt"])
        text = prompts.tokenizer.decode(ids, skip_special_tokens=True)
        assert text == row["prompt"].replace("<s>", "").replace("</s>", "")


@needs_trace
def test_guesses_agree_with_the_shipped_tasks() -> None:
    known = load(["sequence=trace", "data=trace", "suite=[]", f"data.root={TRACE}"]).task
    guessed = load([f"sequence.from_folder={TRACE}"]).task
    for name, task in known.items():
        assert guessed[name].scorer == task.scorer, name
        assert guessed[name].headline == task.headline


def test_a_folder_becomes_a_sequence(tiny_data: Path) -> None:
    config = load([f"sequence.from_folder={tiny_data}"])
    assert task_order(config) == ["copy", "count"]
    assert config.data.root == str(tiny_data)
    assert config.sequence.name == tiny_data.name
    assert config.task["count"].scorer == "number"


def test_a_guess_can_be_overridden(tiny_data: Path) -> None:
    config = load([f"sequence.from_folder={tiny_data}", "+sequence.scorers.copy=exact"])
    assert config.task["copy"].scorer == "exact"
    line = refused(f"sequence.from_folder={tiny_data}", "+sequence.scorers.cop=exact")
    assert "no task 'cop'" in line
    assert "did you mean 'copy'?" in line


def test_a_task_of_a_folder_takes_overrides(tiny_data: Path) -> None:
    place = f"sequence.from_folder={tiny_data}"
    plain = load([place])
    config = load([place, "task.count.learning_rate=1e-3", "+task.copy.epochs=2"])
    assert config.task["count"] == replace(plain.task["count"], learning_rate=1e-3)
    assert config.task["copy"] == replace(plain.task["copy"], epochs=2)
    given = load([place, "task.count.scorer=exact"])
    assert given.task["count"].scorer == "exact"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("task.cuont.epochs=2", "task.cuont: 'cuont' is not among the tasks of the folder; did"),
        ("task.count.epoch=2", "unknown key 'task.count.epoch'; did you mean 'epochs'?"),
        ("task.count.epochs=many", "task.count.epochs: Value 'many'"),
        ("task.count.folder=x", "unknown key 'task.count.folder'"),
        ("+sequence.overrides.count=3", "task.count=3: set a key of it"),
    ],
)
def test_a_wrong_override_of_a_folder(word: str, told: str, tiny_data: Path) -> None:
    assert told in refused("plan", f"sequence.from_folder={tiny_data}", word)


def test_a_folder_without_tasks_is_refused(tmp_path: Path) -> None:
    assert "has no <task>/train.json" in refused(f"sequence.from_folder={tmp_path}")


def test_a_root_at_the_wrong_level_is_told_the_right_one(tiny_data: Path, tmp_path: Path) -> None:
    parent = tmp_path / "outer"
    shutil.copytree(tiny_data, parent / "inner")
    frame = ["suite=[]", "sequence=trace", "data=trace", "train.pack_tokens=2048"]
    for name in load([*frame, "data.root=x"]).task:
        shutil.copytree(tiny_data / "copy", parent / "inner" / name)
    told = f"did you mean the root {parent / 'inner'}?"
    assert told in refused(*frame, f"data.root={parent}")
    assert told in refused(*frame, f"data.root={parent / 'inner' / 'FOMC'}")


@pytest.mark.parametrize(
    ("answers", "scorer"),
    [
        (["A", "B", "C"] * 20, "letter"),
        (["A\nBecause it is.", "B\nSo it is."] * 20, "choice_with_reason"),
        (["12", "3.5", "-4"] * 20, "number"),
        (["yes", "no"] * 40, "exact"),
        ([f"a summary number {i} of some length" for i in range(60)], "summary"),
    ],
)
def test_guesses(answers: list[str], scorer: str) -> None:
    assert guess_scorer([{"prompt": "Question", "answer": answer} for answer in answers]) == scorer
