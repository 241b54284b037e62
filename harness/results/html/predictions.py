"""Predictions for the page's browser: numbers in an index, texts in compressed pieces.

A sheet is what one eval node holds; a set is the items that sheets have in common, whose prompts
and references are there once. Nodes are read one at a time, and of each only compressed text stays.
"""

import base64
import json
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.config import Schedule
from harness.errors import DAMAGED
from harness.results.items.history import is_alone
from harness.results.items.prompts import Prompts, prompt_of
from harness.results.items.sheets import Sheet, read_sheet
from harness.results.records import RunRecord
from harness.store.scores import TARGET
from harness.store.store import Store
from harness.store.work import Cell

TEXT_LIMIT = 20_000  # characters of a text that are kept
LIMIT = 100_000

# The prompts of an eval node's data, by item; None where they are not known.
Asking = Callable[[Store, str], Prompts | None]


@dataclass
class Browser:
    """What goes into the page: `index` as JSON, `pieces` compressed. count: predictions in it;
    gaps: what is missing, a line each."""

    index: dict[str, list[Any]] = field(default_factory=lambda: {"sets": [], "sheets": []})
    pieces: list[str] = field(default_factory=list)
    count: int = 0
    gaps: list[str] = field(default_factory=list)


def browser(
    store: Store,
    records: Sequence[RunRecord],
    names: dict[str, str],
    prompts: Asking,
    texts: bool = True,
    limit: int = LIMIT,
) -> Browser:
    """Read the predictions of all runs, those of tasks first, until there are `limit` of them.

    names: run -> what the page calls it. texts: whether prompts, references and answers go in.
    """
    made = Browser()
    builder = _Builder(made, store, prompts, texts)
    cells: dict[str, list[tuple[int, int]]] = {record.run["run"]: [] for record in records}
    lacking: dict[str, int] = {}
    for run, cell in _in_order(records):
        sheet = builder.sheet(cell)
        if sheet is None:
            lacking[run] = lacking.get(run, 0) + 1
            continue
        size = made.index["sets"][made.index["sheets"][sheet]["set"]]["n"]
        if made.count + size > limit:
            made.gaps.append(f"the browser holds the first {made.count} predictions of more")
            break
        made.count += size
        cells[run].append((cell.stage, sheet))
    made.gaps += [f"run {run}: {n} scores without predictions" for run, n in lacking.items()]
    made.index["runs"] = [_of_run(record, names, cells) for record in records]
    return made


def _of_run(
    record: RunRecord, names: dict[str, str], cells: dict[str, list[tuple[int, int]]]
) -> dict[str, object]:
    run = record.run
    return {
        "id": run["run"],
        "name": names[run["run"]],
        "tasks": run["tasks"],
        "alone": is_alone(record),
        "joint": run["schedule"] == Schedule.joint,
        "cells": cells[run["run"]],
    }


def _in_order(records: Sequence[RunRecord]) -> Iterator[tuple[str, Cell]]:
    """Tasks before suites, and the first seed of everything before the second."""
    by_seed = sorted(records, key=lambda record: record.run["seed"] or 0)
    for target in (True, False):
        for record in by_seed:
            for cell in record.cells:
                if cell.kind == "eval" and (cell.suite == TARGET) == target:
                    yield record.run["run"], cell


class _Builder:
    """Makes sheets, each once however many runs have it."""

    def __init__(self, made: Browser, store: Store, prompts: Asking, texts: bool) -> None:
        self.made, self.store, self.prompts, self.texts = made, store, prompts, texts
        self.known: dict[str, int | None] = {}
        self.sets: dict[tuple[object, ...], int] = {}

    def sheet(self, cell: Cell) -> int | None:
        """The number of a cell's sheet; None where its predictions cannot be read."""
        if cell.key not in self.known:
            self.known[cell.key] = self._read(cell)
        return self.known[cell.key]

    def _read(self, cell: Cell) -> int | None:
        try:
            sheet = read_sheet(self.store, cell)
        except DAMAGED:
            return None
        content: dict[str, object] = {
            "set": self._set(cell, sheet),
            "strict": _numbers(sheet.strict),
            "lenient": None if sheet.lenient is None else _numbers(sheet.lenient),
            "texts": self._piece([_cut(answer) for answer in sheet.answers]),
        }
        self.made.index["sheets"].append(content)
        return len(self.made.index["sheets"]) - 1

    def _set(self, cell: Cell, sheet: Sheet) -> int:
        """The set of a sheet, made where it is new."""
        asked = self._asked(cell, sheet.ids) if self.texts else None
        same = (
            cell.suite,
            cell.benchmark,
            cell.shots,
            sheet.ids,
            sheet.targets,
            asked and tuple(asked),
        )
        if same not in self.sets:
            self.sets[same] = len(self.made.index["sets"])
            pair = [asked, [_cut(target) for target in sheet.targets]]
            self.made.index["sets"].append(
                {
                    "suite": cell.suite,
                    "benchmark": cell.benchmark,
                    "metric": cell.headline,
                    "n": len(sheet.ids),
                    "ids": _told_ids(sheet.ids),
                    "texts": self._piece(pair),
                }
            )
        return self.sets[same]

    def _asked(self, cell: Cell, ids: Sequence[tuple[str, str]]) -> list[str] | None:
        """The prompts of items, cut; None where one of them is not known."""
        known = self.prompts(self.store, cell.key)
        asked = [prompt_of(known, *one) for one in ids]
        return None if None in asked else [_cut(text) for text in asked if text is not None]

    def _piece(self, value: object) -> int | None:
        if not self.texts:
            return None
        self.made.pieces.append(_compressed(value))
        return len(self.made.pieces) - 1


def _cut(text: str) -> str:
    if len(text) <= TEXT_LIMIT:
        return text
    return f"{text[:TEXT_LIMIT]}\n[cut here: {len(text):,} characters in the store]"


def _told_ids(ids: Sequence[tuple[str, str]]) -> list[str] | None:
    """What items are called; None where they are counted from 0."""
    plain = all(subtask == "" and item == str(at) for at, (subtask, item) in enumerate(ids))
    return None if plain else [f"{subtask} {item}".strip() for subtask, item in ids]


def _numbers(values: array) -> str:
    """Floats of 4 bytes, the lowest byte first, in base64."""
    told = array("f", values)
    if sys.byteorder == "big":
        told.byteswap()
    return base64.b64encode(told.tobytes()).decode()


def _compressed(value: object) -> str:
    """JSON in ASCII (halves of characters stay what they are), deflated, in base64."""
    return base64.b64encode(zlib.compress(json.dumps(value).encode(), 6)).decode()
