"""The runs of a store as their records tell them: which work is whose. No node is opened."""

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import DAMAGED, ConfigError, DataError, suggest
from harness.results.records import read_record, record_paths
from harness.store.contents import Name
from harness.store.files import regular_text
from harness.store.inside import require_names
from harness.store.layout import RUNS_READ
from harness.store.scores import RunColumns
from harness.store.store import Store
from harness.store.work import Cell

MODELS = ("train", "edit")


@dataclass(frozen=True)
class StoredRun:
    """A run of a store. about: its columns, None where it has not begun. trained: stage -> the node
    that trained it. needs: work -> what it reads. used: when somebody last worked on it, in seconds
    since 1970."""

    run: str
    about: RunColumns | None
    trained: dict[int, Name]
    cells: list[Cell]
    needs: dict[Name, list[Name]]
    used: float

    @property
    def name(self) -> str:
        """What it is, for people."""
        if self.about is None:
            return "a run that has not started"
        return f"{self.about['method']} seed={self.about['seed']} on {self.about['sequence']}"

    @cached_property
    def scored(self) -> dict[Name, Cell]:
        """Its scores, each with the first cell that it fills."""
        found = dict[Name, Cell]()
        for cell in self.cells:
            found.setdefault((cell.kind, cell.key), cell)
        return found

    @cached_property
    def uses(self) -> frozenset[Name]:
        """All work that it makes or reads, as far as it tells."""
        read = (need for needs in self.needs.values() for need in needs)
        return frozenset({*self.trained.values(), *self.scored, *self.needs, *read})

    @cached_property
    def models(self) -> dict[int, set[Name]]:
        """Stage -> the nodes of its models: the one that was trained, those that were scored."""
        found = {stage: {name} for stage, name in self.trained.items()}
        for name, cell in self.scored.items():
            made = {need for need in self.needs.get(name, []) if need[0] in MODELS}
            if made:
                found.setdefault(cell.stage, set()).update(made)
        return found

    def model_of(self, store: Store, stage: int) -> Name | None:
        """The node of the model that was scored as a stage, else of the one that was trained."""
        cells = [name for name, cell in self.scored.items() if cell.stage == stage]
        for name in cells:
            made = next((need for need in self.needs.get(name, []) if need[0] in MODELS), None)
            if made is not None:
                return made
        for name in cells:  # of a run that was forgotten
            if model := _scored_model(store, name):
                return model
        return self.trained.get(stage)

    def missing(self, there: Collection[Name]) -> list[Name]:
        """What is to do of it: scores that are not there, and models that nothing reads."""
        read = {need for needs in self.needs.values() for need in needs}
        lacking = [name for name in self.scored if name not in there]
        made = self.trained.values() if self.needs else ()
        lacking += [name for name in made if name not in there and name not in read]
        if self.about is None:
            lacking += [name for name in self.needs if name not in there]
        return lacking

    def told(self, name: Name) -> str:
        """A piece of its work, for people."""
        if name in self.scored:
            cell = self.scored[name]
            verb = "judge" if cell.kind == "judge" else "score"
            return f"{verb} {cell.benchmark} at stage {cell.stage}"
        stage = self._stage_of(name)
        return f"{name[0]} {name[1]}" if stage is None else f"{name[0]} stage {stage}"

    def place(self, name: Name) -> tuple[int, bool, bool, str]:
        """What comes before other work of the run: by stage, training before the rest, scores
        last."""
        cell = self.scored.get(name)
        stage = self._stage_of(name) if cell is None else cell.stage
        return stage or 0, name[0] != "train", cell is not None, name[1]

    def _stage_of(self, name: Name) -> int | None:
        return next((stage for stage, models in self.models.items() if name in models), None)


@dataclass(frozen=True)
class StoredRuns:
    """The runs of a store, by name; damaged: a line for each file about a run that
    cannot be read."""

    runs: dict[str, StoredRun]
    damaged: list[str]

    def users(self) -> dict[Name, list[StoredRun]]:
        """Work -> the runs that use it."""
        found = dict[Name, list[StoredRun]]()
        for run in self.runs.values():
            for name in run.uses:
                found.setdefault(name, []).append(run)
        return found


def stored_runs(store: Store) -> StoredRuns:
    """All runs that a store knows of."""
    runs, damaged, places = dict[str, StoredRun](), list[str](), store.root / RUNS_READ
    # Records first: a run that begins meanwhile is found by what it reads.
    records = list(record_paths(store))
    known = {path.stem for path in records}
    for path in records:
        try:
            record, touched = read_record(path), path.stat().st_mtime
        except (DataError, OSError) as error:
            damaged.append(str(error))
            continue
        read = _read(places / path.name, damaged)
        needs, used = read or (_by_manifests(store, record.cells), 0.0)
        trained = dict[int, Name]()
        for told in record.training:  # of several of a stage the first is the run's own
            trained.setdefault(told["stage"], ("train", told["key"]))
        used = max(used, touched)
        runs[path.stem] = StoredRun(path.stem, record.run, trained, record.cells, needs, used)
    for path in sorted(places.glob("*.json")):
        if path.stem not in known and (read := _read(path, damaged)) and read[0]:
            runs[path.stem] = StoredRun(path.stem, None, {}, [], *read)
    return StoredRuns(dict(sorted(runs.items())), damaged)


def find_run(runs: Collection[str], word: str) -> str:
    """The run of a name or of the beginning of one. Raises ConfigError where it is none or not one
    alone."""
    found = [word] if word in runs else [run for run in runs if word and run.startswith(word)]
    if len(found) > 1:
        raise ConfigError(f"RUN {word}: {len(found)} runs begin so: {', '.join(found[:4])}")
    if not found:
        raise ConfigError(f"RUN {word}: there is no such run" + _nearest(word, list(runs)))
    return found[0]


def _nearest(word: str, runs: list[str]) -> str:
    return suggest(word, runs) if runs else "; the store has none"


def _by_manifests(store: Store, cells: list[Cell]) -> dict[Name, list[Name]]:
    """The models of scores, of a run of a version that did not write down what it reads."""
    needs = dict[Name, list[Name]]()
    for cell in cells:
        if cell.stage and (model := _scored_model(store, (cell.kind, cell.key))):
            needs[cell.kind, cell.key] = [model]
    return needs


def _scored_model(store: Store, name: Name) -> Name | None:
    """The node of the model that was scored, by the manifest of its score."""
    with suppress(*DAMAGED):
        told = store.manifest(*name)["model"]
        return (told["kind"], told["key"]) if told["kind"] in MODELS else None
    return None


def _read(path: Path, damaged: list[str]) -> tuple[dict[Name, list[Name]], float] | None:
    """What each piece of work reads, and when the file was touched; None where there is no such
    file, or where it is `damaged`, which is told there."""
    needs = dict[Name, list[Name]]()
    try:
        for name, need in _lines(json.loads(regular_text(path))):
            needs.setdefault(name, []).append(need)
        return needs, path.stat().st_mtime
    except FileNotFoundError:
        return None
    except DAMAGED as error:
        damaged.append(f"{path}: does not say what a run reads ({error})")
        return None


def _lines(rows: object) -> Iterator[tuple[Name, Name]]:
    if not isinstance(rows, list):
        raise TypeError("no list")
    for row in rows:
        require_names(*row[:4])
        yield (row[0], row[1]), (row[2], row[3])
