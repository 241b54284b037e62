"""How far work is: in small steps, whole only when it is in the store."""

import json
from pathlib import Path

from support.asked import asked
from support.places import MICRO_MODEL

from harness.config.compose.compose import load
from harness.evaluation.evaluator import Evaluator
from harness.run.events import Event, EventLog, EventReader, Progress, event_path
from harness.run.handlers import HANDLERS, grouped
from harness.store.records import Folder
from harness.store.work import KINDS, EditWork, EvalWork


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def update(self, done: int, total: int) -> None:
        self.told.append((done, total))


def test_an_evaluation_tells_of_its_requests(tmp_path: Path) -> None:
    config = load(["eval.batch_size=4", f"store.root={tmp_path / 'store'}"])
    evaluator, heard = Evaluator(config, MICRO_MODEL, "cpu"), Heard()
    task = config.task["micro_units"]
    data = Path(config.data.root) / task.folder / "test.json"
    evaluator.score(asked(config, "micro_units", task, data, 10), tmp_path / "node", heard)
    assert heard.told[-1] == (10, 10)
    assert heard.told == sorted(set(heard.told))
    assert len(heard.told) > 3  # not by batches of 4: answers end one by one


def test_whole_is_what_is_written(tmp_path: Path) -> None:
    log, reader = EventLog(event_path(tmp_path, 0)), EventReader(tmp_path, 1)
    progress = Progress(log, "k")
    for done in range(1, 10_001):
        progress.update(done, 10_000)
    said = [*reader.new()]
    assert said[0].done < 0.01
    assert said[-1].done < 1
    assert 100 < len(said) < 1000
    progress.finish()
    assert [*reader.new()] == [Event("k", 1.0)]
    assert [*reader.new()] == []


def test_what_goes_on_says_what_was_there(tmp_path: Path) -> None:
    log, reader = EventLog(event_path(tmp_path, 0)), EventReader(tmp_path, 1)
    progress = Progress(log, "k")
    progress.goes_on(3, 4)
    progress.update(3, 4)
    assert [*reader.new()] == [Event("k", 0.75, before=0.75)]


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    reader, path = EventReader(tmp_path, 2), event_path(tmp_path, 1)
    line = json.dumps({"key": "k", "done": 0.5}) + "\n"
    path.write_text(line + line[:7])
    assert [*reader.new()] == [Event("k", 0.5)]
    path.write_text(line + line)
    assert [*reader.new()] == [Event("k", 0.5)]


def test_every_kind_of_work_has_a_handler() -> None:
    assert set(HANDLERS) == set(KINDS.values())


def test_neighbours_of_one_model_are_scored_together(tmp_path: Path) -> None:
    config = load([])
    task = config.task["micro_units"]
    question = asked(config, "micro_units", task, "data")

    def scored(model: str) -> EvalWork:
        return EvalWork(**vars(question), stage=1, label="score", model=Folder(model, model))

    first = Folder("a", "a")
    edit = EditWork(stage=1, label="e", edit={}, base=first, tuned=(first,), name="e", settings={})
    works = [scored("a"), scored("a"), scored("b"), edit, edit, scored("b")]
    assert [len(group) for group in grouped(works)] == [2, 1, 1, 1, 1]
