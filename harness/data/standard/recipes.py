"""What is known of each task of the standard sequences: its publisher's files, prompt, labels."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

RECIPES = Path(__file__).with_name("tasks.yaml")
SPLITS = ("train", "test")  # of a publisher; what is held out for choosing is drawn from train


@dataclass(frozen=True)
class Source:
    """One split of a publisher. format: a reader of `readers`. file: below the user's folder, with
    * where its name varies. columns: names of columns that have none in the file, in order. rows:
    the published number, None where it is not known. labels: what stands in the file -> the word
    that is trained on; none = the answer is a text. prompt, answer: templates of fields; pattern:
    the part of the answer that counts, its first group. keep: further fields of the
    rows, by the names that they have in the file."""

    format: str
    file: str
    prompt: str
    answer: str = "{label}"
    columns: tuple[str, ...] = ()
    rows: int | None = None
    labels: dict[str, str] = field(default_factory=dict)
    pattern: str | None = None
    keep: dict[str, str] = field(default_factory=dict)

    @property
    def choices(self) -> str:
        """The words to choose among, as a prompt names them."""
        return ", ".join(dict.fromkeys(self.labels.values()))


@dataclass(frozen=True)
class Recipe:
    """A task. about: whose data it is. editions: ways in which its files are published, each with
    its splits; a single file is under `both`. held: rows of each split that are held out where no
    labels say how many."""

    name: str
    about: str
    editions: tuple[dict[str, Source], ...]
    held: dict[str, int] = field(default_factory=dict)


@cache
def recipes() -> dict[str, Recipe]:
    """All tasks, by name."""
    told = yaml.safe_load(RECIPES.read_text(encoding="utf-8"))
    found = {name: _recipe(name, entry) for name, entry in told["tasks"].items()}
    shared = told["superni"]
    for name in shared.pop("names"):
        entry = shared | {"both": shared["both"] | {"file": f"tasks/{name}.json"}}
        found[name] = _recipe(name, {"editions": [entry], **shared})
    return found


def _recipe(name: str, entry: dict[str, Any]) -> Recipe:
    editions = []
    for edition in entry["editions"]:
        shared = {key: entry[key] for key in ("prompt", "labels") if key in entry}
        parts = {part: edition[part] for part in (*SPLITS, "both") if part in edition}
        more = {key: value for key, value in edition.items() if key in _SHARED}
        editions.append({part: _source(shared | more | parts[part]) for part in parts})
    return Recipe(name, entry["about"], tuple(editions), entry.get("held", {}))


_SHARED = ("format", "columns", "labels", "prompt", "answer")


def _source(told: dict[str, Any]) -> Source:
    words = {str(key): word for key, word in told.pop("labels", {}).items()}
    lists = {key: tuple(told.pop(key)) for key in ("columns",) if key in told}
    return Source(**told, **lists, labels=words)
