"""Tables of what was measured: printed, and as CSV with the machine described."""

import csv
import datetime
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.config.devices import device_name
from harness.store.files import write_atomically

Row = Mapping[str, Any]


def machine(threads: int) -> dict[str, str]:
    """What a row says of where it was measured: date, processor, cores, load and versions."""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": device_name("cpu"),
        "cores": str(len(os.sched_getaffinity(0))),
        "threads": str(threads),
        "load": f"{os.getloadavg()[0]:.1f}",
        "versions": " ".join(filter(None, map(_version, _PACKAGES))),
    }


_PACKAGES = ("torch", "transformers", "lm_eval", "trl", "mergekit")


def _version(package: str) -> str:
    try:
        return f"{package}={version(package)}"
    except PackageNotFoundError:
        return ""


def rounded(value: Any) -> str:
    """Three digits of a number and a few more of a large one; anything else as it is."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(title: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Print a table of the chosen columns."""
    cells = [list(columns), *([rounded(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for line in cells:
        first, *others = (cell.ljust(w) if not i else cell.rjust(w) for i, (cell, w) in
                          enumerate(zip(line, widths, strict=True)))  # fmt: skip
        print("  ".join([first, *others]))


def write(path: Path | None, rows: Sequence[Row], threads: int) -> None:
    """Write the rows as CSV, each with the machine; columns in the order in which they appear.
    Without a path it says that nothing is written."""
    if path is None:
        print("not written: a part of a table; --out says where to")
        return
    place = machine(threads)
    columns = list(dict.fromkeys([name for row in rows for name in row] + list(place)))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: rounded(value) for name, value in {**row, **place}.items()})
    write_atomically(path, stream.getvalue())
    print(f"written: {path}")
