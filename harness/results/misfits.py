"""What of a record, which may be somebody else's, is not of the kind that it has to be."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.results.records import RunRecord

_MOST_STAGES = 100_000
_SHOWN = 60  # characters of a value


def is_text(value: object) -> bool:
    """Is it a text of one line, as names are?"""
    return isinstance(value, str) and len(value.splitlines()) <= 1


def is_text_or_none(value: object) -> bool:
    """Is it such a text, or nothing?"""
    return value is None or is_text(value)


def _is_whole(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _is_stage(value: object) -> bool:
    return isinstance(value, int) and _is_whole(value) and 0 <= value <= _MOST_STAGES


def _is_mapping(value: object) -> bool:
    return value is None or isinstance(value, dict)


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(map(is_text, value))


Kinds = dict[str, tuple[str, Callable[[object], bool]]]  # name -> what it has to be
_TEXT, _NO_TEXT = ("name", is_text), ("name", is_text_or_none)
_WHOLE, _STAGE = ("whole number", _is_whole), ("stage", _is_stage)
_OF_RUN: Kinds = {
    **dict.fromkeys(("run", "method", "sequence", "schedule"), _TEXT),
    **dict.fromkeys(("group", "experiment", "model", "data"), _NO_TEXT),
    **dict.fromkeys(("past", "protocol", "backend"), _NO_TEXT),
    "seed": _WHOLE,
    "tasks": ("list of names", _are_names),
    "settings": ("mapping", _is_mapping),
}
_OF_CELL: Kinds = {
    **dict.fromkeys(("suite", "benchmark", "headline", "filter", "unit", "split"), _TEXT),
    **dict.fromkeys(("trained_task", "side"), _NO_TEXT),
    "stage": _STAGE,
    "shots": _WHOLE,
}


def misfits(record: "RunRecord") -> Iterator[str]:
    """What is wrong with a record, a line each."""
    run = ((name, record.run.get(name), kind) for name, kind in _OF_RUN.items())
    cells = (
        (name, getattr(cell, name), kind)
        for cell in record.cells
        for name, kind in _OF_CELL.items()
    )
    trained = (("a trained stage", told["stage"], _STAGE) for told in record.training)
    for name, value, (kind, fits) in chain(run, cells, trained):
        if not fits(value):
            yield f"{name} {repr(value)[:_SHOWN]} is no {kind}"
