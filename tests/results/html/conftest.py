"""A fabricated store of two runs, its report, and a browser that shows it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench.chromium import Tab, chromium, found
from bench.fabricated import Fabricated, Kind
from support.command import harness

TASKS = (Kind("letters", 40, 1), Kind("words", 90, 60, "rouge_l"))
ITEMS = 40


@dataclass
class Place:
    """A fabricated store and where its report is written."""

    root: Path
    made: Fabricated

    @property
    def out(self) -> Path:
        return self.root / "out" / "report.html"

    def report(self, *more: str):
        """Run the verb here; returns what it printed and its exit code."""
        named = {"scores": self.made.scores, "store": self.made.store, "out": self.out}
        return harness("report", *(f"--{k}={v}" for k, v in named.items()), *more, cwd=self.root)

    def rewrite(self, key: str, change: Callable[[dict], None]) -> None:
        """Change every prediction of a node."""
        path = self.made.store / "eval" / key / "predictions.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            change(row)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def scores_of(self, run: int, stage: int, task: int, metric: str) -> list[float]:
        """The scores of a node's items, read anew from its file."""
        path = self.made.store / "eval" / node(run, stage, task) / "predictions.jsonl"
        return [json.loads(line)["values"][metric] for line in path.read_text().splitlines()]


def node(run: int, stage: int, task: int) -> str:
    """The key of a fabricated node."""
    return f"eval{run:03d}{stage:02d}{task:02d}".ljust(20, "0")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, Fabricated(tmp_path, runs=2, items=ITEMS, tasks=TASKS))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A report that tests only look at."""
    root = tmp_path_factory.mktemp("shown")
    place = Place(root, Fabricated(root, runs=2, items=ITEMS, tasks=TASKS))
    assert place.report().returncode == 0
    return place


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    """A tab of one browser for a whole file of tests."""
    program = found()
    if program is None:
        pytest.skip("no Chromium is installed here")
    with chromium(program) as one:
        one.size(1200, 800)
        yield one


@pytest.fixture
def page(tab: Tab, shown: Place) -> Iterator[Tab]:
    """The report, just opened; whatever it complains of while a test uses it fails that test."""
    tab.errors.clear()
    tab.call("Page.navigate", url="about:blank")
    tab.open(shown.out.as_uri())
    yield tab
    assert tab.errors == []
