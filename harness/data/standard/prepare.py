"""Writing the tasks of the standard sequences into the folders that runs read."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness import __version__
from harness.data.rows import Row
from harness.data.standard.draw import Amounts
from harness.data.standard.reading import TaskReport, find, read
from harness.data.standard.recipes import recipes
from harness.data.written import is_there
from harness.errors import DataError, suggest
from harness.store.files import write_atomically, write_json

REPORT = "prepared.json"


@dataclass
class Prepared:
    """What was found, of every task, and its rows; `missing`: tasks without files there."""

    reports: list[TaskReport] = field(default_factory=list)
    rows: dict[str, dict[str, list[Row]]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def deviations(self) -> list[str]:
        """What makes files others than the published ones, a line each."""
        return [line for report in self.reports for line in report.deviations]


def prepare(root: Path, tasks: Sequence[str] | None, amounts: Amounts) -> Prepared:
    """Read all tasks whose files are below `root`, or those that are named. Raises DataError where
    there are none, a named one is not there, or a file is not as published."""
    known = recipes()
    for name in tasks or ():
        if name not in known:
            raise DataError(f"--tasks: there is no task '{name}'{suggest(name, list(known))}")
    if not root.is_dir():
        raise DataError(f"--from: there is no folder {root}")
    found = Prepared()
    for name in known if tasks is None else tasks:
        place = find(known[name], root)
        if place is None:
            found.missing.append(name)
            continue
        report, found.rows[name] = read(known[name], *place, root, amounts)
        found.reports.append(report)
    if tasks is not None and found.missing:
        files = " or ".join(next(iter(e.values())).file for e in known[found.missing[0]].editions)
        raise DataError(f"{root}: {found.missing[0]} has no files there; it needs {files}")
    if not found.reports:
        raise DataError(
            f"{root}: no publisher's files of a known task in it (ag_news_csv, MNLI, ...)"
        )
    return found


def write(found: Prepared, out: Path, amounts: Amounts) -> int:
    """Write `<out>/<task>/<split>.json` and, last, `<out>/prepared.json`, to which other tasks may
    be added later; returns how many files were written. Raises DataError, before anything is
    written, for a file with other rows and for a folder made with other amounts."""
    before = _earlier(out, amounts)
    files = {
        out / name / f"{split}.json": _content(rows)
        for name, splits in found.rows.items()
        for split, rows in splits.items()
    }
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    new = [path for path in files if not is_there(path, hashes[path], "what is drawn now")]
    for path in new:
        write_atomically(path, files[path])
    tasks = {report.name: asdict(report) for report in found.reports}
    for path, sha256 in hashes.items():
        tasks[path.parent.name].setdefault("written", {})[path.name] = sha256
    about = {"harness_version": __version__, "amounts": asdict(amounts)}
    write_json(out / REPORT, {**about, "tasks": before | tasks})
    return len(new)


def _content(rows: list[Row]) -> bytes:
    return json.dumps(rows, ensure_ascii=False, indent=0).encode()


def _earlier(out: Path, amounts: Amounts) -> dict[str, object]:
    """Tasks that are there already."""
    path = out / REPORT
    if not path.is_file():
        return {}
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        same, tasks = told["amounts"] == asdict(amounts), dict(told["tasks"])
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: not written by `harness data standard`") from None
    if not same:
        raise DataError(f"{path}: was made with {told['amounts']}; choose another --out")
    return tasks
