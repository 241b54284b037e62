"""Weights and moments that go on from one task to the next, as safetensors and JSON: what DeepSpeed
writes of itself is a pickle, which runs what is in it, and goes with the ranks that wrote it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError
from harness.store.files import write_json
from harness.store.layout import MOMENTS
from harness.train.engine.engine_file import (
    fits,
    load_engine,
    save_engine,
    set_step_counts,
    step_counts,
)

if TYPE_CHECKING:
    from harness.train.engine.core import Engine

COUNTS = "steps.json"  # of Adam, by weight


def save_moments(folder: Path, engine: "Engine") -> None:
    """Collective; the first rank writes. Raises DataError on all of them where it cannot."""
    if engine.rank.first:
        folder.mkdir(parents=True, exist_ok=True)
    save_engine(folder / MOMENTS, engine)
    counts = engine.rank.union(step_counts(engine))
    if engine.rank.first:
        write_json(folder / COUNTS, counts)


def load_moments(folder: Path, engine: "Engine") -> None:
    """Give an engine what `save_moments` wrote, on however many ranks and at whatever ZeRO stage.
    Raises DataError where it is not there or of other weights."""
    try:
        counts = json.loads((folder / COUNTS).read_text())
        if not fits(folder / MOMENTS, engine):
            raise DataError(f"{folder}: holds the moments of other weights")
        load_engine(folder / MOMENTS, engine)
        set_step_counts(engine, {name: int(count) for name, count in counts.items()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{folder}: moments that cannot be read ({error})") from None
