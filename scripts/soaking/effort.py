"""How much work a sweep took: optimizer steps and chunks of requests, beside what was needed and
what every cell of its tables would take by itself."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.results.records import RunRecord, read_record, record_paths
from harness.store.layout import LOGS, SCORES, TRAINING
from harness.store.store import Store
from soaking.watching import nodes


@dataclass(frozen=True)
class Effort:
    """steps: of the optimizer; requests: put to a model. done: in all, what was repeated included
    (but for the step or request in which a process was killed); needed: once each; alone: where
    every cell of the runs trains its own model and scores it."""

    steps_done: int = 0
    steps_needed: int = 0
    steps_alone: int = 0
    requests_done: int = 0
    requests_needed: int = 0
    requests_alone: int = 0

    def __add__(self, other: "Effort") -> "Effort":
        mine, theirs = asdict(self), asdict(other)
        return Effort(**{name: mine[name] + theirs[name] for name in mine})


def effort(root: Path, notes: Iterable[str]) -> Effort:
    """Of a complete sweep. notes: the chunks that ranks began."""
    steps = {node.name: _steps(node) for node in nodes(root, "train")}
    requests = {node.name: _requests(node) for node in nodes(root, "eval")}
    store = Store(root)
    records = [read_record(path) for path in record_paths(store)]
    return Effort(
        steps_done=sum(round(share * steps[key]) for key, share in _trained(root, steps).items()),
        steps_needed=sum(steps.values()),
        steps_alone=sum(_alone(record, steps) for record in records),
        requests_done=sum(
            round(times * requests.get(key, 0)) for key, times in _answered(notes).items()
        ),
        requests_needed=sum(requests.values()),
        requests_alone=sum(
            requests.get(cell.key, 0) for record in records for cell in record.cells
        ),
    )


def _steps(node: Path) -> int:
    return int(json.loads((node / TRAINING).read_text())["cost"]["optimizer_steps"])


def _requests(node: Path) -> int:
    """Items, as its scores count them."""
    return max(int(row["n"] or 0) for row in json.loads((node / SCORES).read_text()))


def _alone(record: RunRecord, steps: dict[str, int]) -> int:
    """Every cell trains the stages up to its own."""
    by_stage = {trained["stage"]: steps[trained["key"]] for trained in record.training}
    return sum(
        sum(count for stage, count in by_stage.items() if stage <= cell.stage)
        for cell in record.cells
    )


def _trained(root: Path, steps: dict[str, int]) -> dict[str, float]:
    """Key of a stage -> how often its steps were done, as a share of them, by all launches."""
    found: dict[str, float] = defaultdict(float)
    for log in (root / LOGS).glob("*/events.0.jsonl"):
        reached: dict[str, float] = defaultdict(float)
        for event in _events(log):
            key, done = event["key"], float(event["done"])
            if key not in steps:
                continue
            if event["before"] is None and done > reached[key]:
                found[key] += done - reached[key]
            reached[key] = done
    return found


def _events(log: Path) -> Iterable[dict]:
    for line in log.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # the last one, of a process that was killed
            return


def _answered(notes: Iterable[str]) -> dict[str, float]:
    """Key of a benchmark's node -> how often its chunks were begun, as a mean over them."""
    begun: dict[str, Counter[str]] = defaultdict(Counter)
    for line in notes:
        what, _, name = line.partition(" ")
        if what == "chunk":
            key, _, chunk = name.partition(".")
            begun[key][chunk] += 1
    return {key: chunks.total() / len(chunks) for key, chunks in begun.items()}
