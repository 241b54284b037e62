"""Data that is odd is warned of, by numbers that were counted by hand; what is sound is not."""

import json
from pathlib import Path

import pytest
from support.command import harness

from harness.plan.data_warnings import FEWEST_ITEMS

TEST = [{"prompt": f"test {i}", "answer": "a"} for i in range(FEWEST_ITEMS)]
TRAIN = [{"prompt": f"train {i}", "answer": "a"} for i in range(100)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two sound tasks."""
    for name in ("one", "two"):
        write(tmp_path / "tasks" / name, train=TRAIN, eval=TEST, test=TEST)
    return tmp_path / "tasks"


def write(task: Path, **splits: list[dict[str, str]]) -> None:
    task.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        (task / f"{split}.json").write_text(json.dumps(rows))


def warnings(folder: Path, *more: str) -> list[str]:
    place = f"store.root={folder.parent / 'store'}", f"store.results={folder.parent / 'out'}"
    done = harness("plan", f"sequence.from_folder={folder}", "suite=[]", *place, *more)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]


def test_sound_data_is_not_warned_of(folder: Path) -> None:
    assert warnings(folder) == []


def test_boundaries_that_stay_sharp_are_told(folder: Path) -> None:
    write(folder / "two", train=TRAIN[:9])
    assert warnings(folder, "sequence.blur=0.1") == [
        "two: sequence.blur=0.1 moves none of its 9 rows"
    ]
    assert warnings(folder, "sequence.blur=0.2") == []


def test_every_oddity_is_counted(folder: Path) -> None:
    train = [*TRAIN[:98], TRAIN[0], {"prompt": "test 3", "answer": " "}]
    write(folder / "one", train=train, test=[*TEST[:9], TEST[3]])
    found = warnings(folder)
    assert found[0] == "one: train repeats prompts, 99 different ones in 100 rows"
    assert found[1] == "one: 1 of 100 answers in train are empty"
    assert found[2] == "one: test repeats prompts, 9 different ones in 10 rows"
    # sqrt(0.25 / 9) = 1/6
    assert found[3].startswith("one: test has 9 different items, too few")
    assert found[3].endswith("up to 17 points)")
    assert found[4].startswith("one: 2 of 10 rows of test have a prompt that is in train;")
    assert len(found) == 5


def test_what_tasks_share_is_one_line(folder: Path) -> None:
    for name in ("one", "two"):
        write(folder / name, test=TEST[:-1])
    (line,) = warnings(folder)
    assert line.startswith("one: test has 49 different items")
    assert line.endswith("(likewise: two)")


def test_rows_that_are_cut_are_told_with_their_key(folder: Path) -> None:
    long = [{"prompt": f"train {i} " + "word " * 60 * (i < 25), "answer": "a"} for i in range(100)]
    write(folder / "two", train=long)
    (line,) = warnings(folder, "sequence.max_prompt_tokens=64")
    assert line == (
        "two: 25% of 100 prompts in train lose their beginning (task.two.max_prompt_tokens=64)"
    )
    assert warnings(folder, "sequence.max_prompt_tokens=64", "task.two.max_prompt_tokens=600") == []


def test_only_work_that_is_to_do_is_looked_at(folder: Path) -> None:
    write(folder / "two", test=TEST[:-1])
    assert warnings(folder, "sequence.tasks=[one]") == []


def test_plan_shows_guessed_scorers(folder: Path) -> None:
    place = f"store.root={folder.parent / 'store'}"
    words = ["plan", f"sequence.from_folder={folder}", "suite=[]", place]
    out = harness(*words, "task.two.scorer=letter", "task.two.headline=accuracy").stdout
    assert "one: exact (guessed; task.one.scorer=... overrides)" in out
    assert "two: letter (given; " in out
