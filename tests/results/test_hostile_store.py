"""Whatever stands in the files of a store, verbs that look at it end with what they know or in one
line, and send no terminal a command."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench.fabricated import Fabricated, Kind
from support.command import harness

from harness.results.html import write

TASKS = (Kind("letters", 20, 1), Kind("words", 20, 9, "rouge_l"))
RUN, OTHER = (f"run{number:017d}" for number in (0, 1))
RECORD = f"runs/{RUN}.json"
TRAINED = "train/train00001".ljust(26, "0")
SCORED = "eval/eval0000200".ljust(25, "0")
COMMANDS = {"\x1b", "\x07", "\x00", "\u202e"}
EVIL = "\x1b[2J\u202e\nerror: all is well"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Fabricated:
    """A store with what a real one has in its manifests, and scores in its nodes."""
    made = Fabricated(tmp_path_factory.mktemp("made"), runs=2, items=4, tasks=TASKS)
    data = {"path": str(made.data / "letters/test.json"), "sha256": made.hashes["letters"]}
    about = {"versions": {"torch": "2"}, "machine": "m", "harness_version": "1", "files": {}}
    about |= {"model": {"kind": "train", "key": "t"}, "started": 1.0, "finished": 2.0}
    for place in made.store.glob("*/*/manifest.json"):
        told = json.loads(place.read_text()) | about
        if place.parent.parent.name == "eval":
            row = {"metric": told["benchmark"]["headline"], "subtask": None, "filter": "none"}
            row |= {"value": 0.5, "stderr": 0.1, "n": 4, "higher_is_better": True}
            (place.parent / "scores.json").write_text(json.dumps([row]))
        else:
            told["parts"] = [{"name": "letters", "data": data}]
        place.write_text(json.dumps(told))
    return made


def verbs(made: Fabricated, out: Path) -> list[tuple[str, ...]]:
    store, scores = f"--store={made.store}", f"--scores={made.scores}"
    every, run = (store, scores, f"--out={out}"), (store, "--run", RUN)
    return [
        ("show", *run),
        ("show", "letters", *run),
        ("show", "letters", "0", *run),
        ("diff", RUN, OTHER, store),
        ("trace", "OP", "method_0", store, scores),
        ("compare", "method_0", "method_1", *every),
        ("anatomy", "items", "--run", RUN, *every),
        ("anatomy", "weights", "--run", RUN, *every),
        ("anatomy", "line", *every),
        ("report", store, scores, f"--out={out}/report.html"),
        ("status", store),
        ("store", "ls", store),
    ]


def told(made: Fabricated, out: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What each verb prints, after a look at how it ends."""
    monkeypatch.setattr(write, "overview", lambda *_: {})  # its figures read no store
    found = {}
    for words in verbs(made, out):
        done = harness(*words)
        name, lines = " ".join(words[:2]), done.stderr.splitlines()
        assert "Traceback" not in done.stderr, f"{name}: {done.stderr}"
        assert (done.returncode, len(lines)) in ((0, 0), (2, 1)), f"{name}: {done.stderr}"
        assert not COMMANDS & set(done.stdout + done.stderr), name
        found[name] = done.stdout + done.stderr
    return found


def damaged(made: Fabricated, file: str, change: Callable[[Any], Any]) -> None:
    """Change a file's JSON, of the first line where it has several."""
    place = made.store / file
    first, *rest = place.read_text().split("\n") if file.endswith("l") else [place.read_text()]
    place.write_text("\n".join([json.dumps(change(json.loads(first))), *rest]))


def put(*path: str | int, value: object = None) -> Callable[[Any], Any]:
    """A change of one place; None at the end of a path removes it."""

    def change(content: Any) -> Any:
        *parents, last = path
        inner = content
        for name in parents:
            inner = inner[name]
        if value is None:
            del inner[last]
        else:
            inner[last] = value
        return content

    return change


STEPS = [{"loss": loss, "grad_norm": loss} for loss in (1e308, 1e308, -1e308, 5e-324, -3.0, 0.0)]
DAMAGE: list[tuple[str, Callable[[Any], Any]]] = [
    (RECORD, lambda _: [1, 2]),
    (RECORD, put("cells", value={"a": 1})),
    (RECORD, put("cells", 0, "stage", value="0")),
    (RECORD, put("cells", 0, "stage", value=10**400)),
    (RECORD, put("run", "run", value=EVIL)),
    (RECORD, put("run", "method", value=EVIL)),
    (RECORD, put("run", "method", value="\ud800")),
    (RECORD, put("run", "settings", value={"lr": 10**400, "more": math.nan})),
    (RECORD, put("training", 0, "stage", value=[1])),
    (f"{TRAINED}/manifest.json", lambda _: []),
    (f"{TRAINED}/manifest.json", put("config", value=[{"a": 1}])),
    (f"{TRAINED}/manifest.json", put("versions", value=["torch"])),
    (f"{TRAINED}/manifest.json", put("ranks", value="two")),
    (f"{TRAINED}/manifest.json", put("parts", 0, "data", value={"path": "/dev/zero"})),
    (
        f"{TRAINED}/manifest.json",
        put("parts", 0, "data", value={"path": "/dev/zero", "sha256": "0" * 64}),
    ),
    (f"{TRAINED}/manifest.json", put("parts", 0, "name", value=EVIL)),
    (f"{TRAINED}/training.json", put("steps", value={"1": {"loss": 1}})),
    (f"{TRAINED}/training.json", put("steps", value=STEPS)),
    (f"{TRAINED}/training.json", put("cost", value={"trained_tokens": 10**400})),
    (f"{TRAINED}/training.json", put("cost", value=[])),
    (f"{SCORED}/manifest.json", put("benchmark", value="letters")),
    (f"{SCORED}/manifest.json", put("machine", value={"a": [1]})),
    (f"{SCORED}/scores.json", put(0, "metric", value={"a": [1]})),
    (f"{SCORED}/predictions.jsonl", lambda _: ["no", "row"]),
    (f"{SCORED}/predictions.jsonl", put("prediction")),
    (f"{SCORED}/predictions.jsonl", put("prediction", value=EVIL)),
    (f"{SCORED}/predictions.jsonl", put("values", value={"accuracy": 1e308})),
]


@pytest.mark.parametrize("number", range(len(DAMAGE)))
def test_no_damage_is_a_traceback(
    number: int, made: Fabricated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, change = DAMAGE[number]
    place = made.store / file
    whole = place.read_text()
    try:
        damaged(made, file, change)
        told(made, tmp_path / "out", monkeypatch)
    finally:
        place.write_text(whole)


@pytest.mark.parametrize(
    "file", [RECORD, f"{TRAINED}/manifest.json", f"{SCORED}/predictions.jsonl"]
)
def test_a_pipe_in_a_store_is_not_waited_for(
    file: str, made: Fabricated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = made.store / file
    aside = place.rename(place.with_name("aside"))
    try:
        os.mkfifo(place)
        told(made, tmp_path / "out", monkeypatch)
    finally:
        place.unlink()
        aside.rename(place)


def test_a_record_that_is_none_is_named(
    made: Fabricated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = made.store / RECORD
    whole = place.read_text()
    try:
        damaged(made, RECORD, put("run", "seed", value="one"))
        found = told(made, tmp_path / "out", monkeypatch)
    finally:
        place.write_text(whole)
    line = f"{RUN}.json: not the record of a run (seed 'one' is no whole number)"
    for verb in (f"show --store={made.store}", "show letters", f"diff {RUN}", "anatomy items"):
        assert line in found[verb], verb
    assert (
        f"missing: {RUN}.json is not the record of a run" in found[f"report --store={made.store}"]
    )


def test_names_of_a_table_send_no_terminal_a_command(made: Fabricated, tmp_path: Path) -> None:
    place = tmp_path / "scores.csv"
    place.write_text(made.scores.read_text().replace("method_0", f'"{EVIL}"'))
    scores, store, out = f"--scores={place}", f"--store={made.store}", f"--out={tmp_path}"
    name = " ".join(EVIL.splitlines())
    for words in (
        ("compare", name, "method_1", scores, store, out),
        ("compare", "method_9", "method_1", scores, store, out),
        ("trace", "OP", name, scores, store),
        ("trace", "OP", "method_9", scores, store),
        ("paper", scores, out),
    ):
        done = harness(*words)
        assert "Traceback" not in done.stderr
        assert not COMMANDS & set(done.stdout + done.stderr)
        lines = (done.stdout + done.stderr).splitlines()
        assert not [line for line in lines if line.startswith("error: all is well")]
