"""What became of items, against answers written by hand; and the verb that shows them."""

import json
from pathlib import Path

import pytest
from bench.fabricated import Fabricated, Kind
from support.command import harness, refused

from harness.errors import DataError
from harness.results.items.history import Change, history
from harness.results.records import read_record
from harness.store.store import Store

# Scores of four items at the stages 0, 1 (which trains the task), 2 and 3.
STRICT = {"a": [0, 1, 0, 1], "b": [0, 1, 1, 0], "c": [1, 0, 0, 1], "d": [0, 1, 0, 0]}
LENIENT = {"a": [0, 1, 0, 1], "b": [0, 1, 1, 1], "c": [1, 0, 0, 1], "d": [1, 1, 0, 0]}
TASKS = (Kind("letters", 40, 1), Kind("words", 90, 60), Kind("numbers", 30, 2))
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202eevil\nsecond line 漢字"


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    made = Fabricated(tmp_path, runs=2, items=4, tasks=TASKS)
    for stage in range(4):
        rows = []
        for item, name in enumerate("abcd"):
            values = {"accuracy": STRICT[name][stage], "accuracy_lenient": LENIENT[name][stage]}
            row = {"filter": "none", "item": item, "subtask": None, "target": name.upper()}
            answer = HOSTILE if (name, stage) == ("b", 3) else f"{name}{stage}"
            rows.append(row | {"prediction": [answer], "values": values})
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (made.store / "eval" / node(stage) / "predictions.jsonl").write_text(text)
    return made


def node(stage: int) -> str:
    return f"eval000{stage:02d}00".ljust(20, "0")


def letters(made: Fabricated):
    [place] = made.store.glob("runs/*0.json")
    return history(Store(made.store), read_record(place), "letters")


def test_items_by_hand(made: Fabricated) -> None:
    found = letters(made)
    assert (found.learned, found.items, found.lacking) == (1, 4, ())
    assert [change for _, change in found.changes()] == [
        Change(right=1, kept=0, lost=0, gained=0, format_only=1, unknown=0),
        Change(right=3, kept=0, lost=1, gained=3, format_only=0, unknown=0),
        Change(right=1, kept=1, lost=2, gained=0, format_only=0, unknown=0),
        Change(right=2, kept=0, lost=1, gained=2, format_only=1, unknown=0),
    ]
    items = range(4)
    assert [found.lost(i) for i in items] == [False, True, False, True]
    assert [found.gained(i) for i in items] == [False, False, True, False]
    assert [found.format_only(i) for i in items] == [False, True, False, False]
    lost = [found.lost_at(i) for i in items]
    assert [scored and scored.stage for scored in lost] == [None, 3, None, 2]


def test_what_cannot_be_read_is_named_and_other_items_are_refused(made: Fabricated) -> None:
    place = made.store / "eval" / node(2) / "predictions.jsonl"
    text = place.read_text()
    place.write_text("{")
    assert letters(made).lacking == (2,)
    place.write_text("".join(text.splitlines(keepends=True)[:3]))
    with pytest.raises(DataError, match="letters: its stages were scored on different items"):
        letters(made)


def show(made: Fabricated, *words: str) -> str:
    done = harness("show", "--store", str(made.store), *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_verb_shows_items_without_letting_them_command(made: Fabricated) -> None:
    listed = show(made, "letters", "--method", "method_0", "--lost")
    assert "4 items, learned at stage 1" in listed
    assert "lost: 2 of 4" in listed
    assert "\n1     B          b1" in listed
    assert "gained" not in listed.partition("lost: 2")[2]
    shown = show(made, "letters", "1", "--run", "run00000000000000000")
    prompt = json.loads((made.data / "letters/test.json").read_text())[1]["prompt"]
    assert f"prompt\n    {prompt}\n\nreference\n    B\n" in shown
    assert "stage 3 · numbers · wrong in form (strict 0.00, lenient 1.00)" in shown
    assert "    second line 漢字\n\nlost at stage 3, by training on numbers" in shown
    for text in (listed, shown):
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_the_table_of_a_run(made: Fabricated, tmp_path: Path) -> None:
    row = "| letters   |     3 | numbers   |     4 |     2 |    0 |    1 |      2 |"
    assert row in show(made, "--method", "method_0")
    out = tmp_path / "out"
    places = ("--store", made.store, "--scores", made.scores, "--out", out)
    done = harness("anatomy", "items", "--method", "method_0", *map(str, places))
    assert row in done.stdout
    [table] = out.glob("*.csv")
    assert table.name == "items_run00000.csv"
    assert len(table.read_text().splitlines()) == 1 + 4 + 3 + 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "several runs are meant; choose one by --method, --seed or --run: run00000 (method_0"),
        (
            ("--method", "other"),
            "--method other: the store has no run of it; known: method_0, method_1",
        ),
        (("--run", "nothing"), "there is no such run; choose one by"),
        (("letters", "--limit", "0", "--method", "method_0"), "--limit 0: it must be 1 or more"),
        (("lettres", "--method", "method_0"), "no benchmark 'lettres'; did you mean 'letters'?"),
        (("letters", "9", "--method", "method_0"), "has no item 9; its items are 0 to 3"),
    ],
)
def test_what_is_not_there_is_told(words: tuple[str, ...], told: str, made: Fabricated) -> None:
    assert told in refused("show", *words, "--store", str(made.store))
