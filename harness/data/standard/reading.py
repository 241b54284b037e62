"""A task's rows from its publisher's files: found, counted, hashed, drawn, put into words."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.data.rows import Row
from harness.data.standard import draw, readers
from harness.data.standard.draw import Amounts
from harness.data.standard.recipes import Recipe, Source
from harness.errors import DataError
from harness.store.files import file_sha256


@dataclass
class SplitReport:
    """A publisher's split: the files' hashes by name, its rows, lines that lack a field, and the
    number that the publisher tells (None: unknown)."""

    files: dict[str, str]
    rows: int
    skipped: int
    published: int | None


@dataclass
class TaskReport:
    """A task: what was read, the rows that were drawn of it, and what is wrong, a line each."""

    name: str
    about: str
    read: dict[str, SplitReport] = field(default_factory=dict)
    drawn: dict[str, int] = field(default_factory=dict)
    deviations: list[str] = field(default_factory=list)


Files = dict[str, list[Path]]


def find(recipe: Recipe, root: Path) -> tuple[dict[str, Source], Files] | None:
    """The first edition of which a file is there, and its files; None where there is none. Raises
    DataError for one that is there in part."""
    for edition in recipe.editions:
        files = {part: _matching(root, source.file) for part, source in edition.items()}
        if not any(files.values()):
            continue
        for part, found in files.items():
            if not found:
                raise DataError(f"{root}: {recipe.name} has no {edition[part].file}")
        return edition, files
    return None


def read(
    recipe: Recipe, edition: dict[str, Source], files: Files, root: Path, amounts: Amounts
) -> tuple[TaskReport, dict[str, list[Row]]]:
    """The report, and the rows of train, eval and test. Raises DataError."""
    report = TaskReport(recipe.name, recipe.about)
    labels = {}
    for part, source in edition.items():
        labels[part], skipped = _labels(files[part], source)
        hashes = {path.relative_to(root).as_posix(): _hash(path) for path in files[part]}
        split = SplitReport(hashes, len(labels[part]), skipped, source.rows)
        report.read[part] = split
        if source.rows not in (None, split.rows):
            report.deviations.append(
                f"{recipe.name}: {source.file} has {split.rows} rows, the published one has "
                f"{source.rows}"
            )
    wanted = _drawn(recipe, edition, labels, amounts)
    made: dict[str, list[Row]] = {}
    for part, source in edition.items():
        chosen = {split: indices for split, (of, indices) in wanted.items() if of == part}
        made |= _rows(files[part], source, chosen)
    if lacking := [split for split in ("train", "test") if not made[split]]:
        counted = ", ".join(f"{split.rows} in {part}" for part, split in report.read.items())
        raise DataError(f"{root}: {recipe.name} has too few rows ({counted}) for {lacking[0]}")
    report.drawn = {split: len(rows) for split, rows in made.items()}
    return report, {split: rows for split, rows in made.items() if rows}


def _matching(root: Path, pattern: str) -> list[Path]:
    return sorted(root.glob(pattern))


def _hash(path: Path) -> str:
    """sha256 of a file; of a folder of texts that of their names and hashes, one a line as
    `sha256sum` prints them, sorted by name."""
    if path.is_file():
        return file_sha256(path)
    whole = hashlib.sha256()
    for text in sorted(path.rglob("*.txt")):
        whole.update(f"{file_sha256(text)}  {text.relative_to(path).as_posix()}\n".encode())
    return whole.hexdigest()


def _labels(paths: list[Path], source: Source) -> tuple[list[str], int]:
    """The label of every row (empty where there are none), and how many lines were no row."""
    found, skipped = list[str](), 0
    for row in readers.rows(paths, source):
        if row is None:
            skipped += 1
            continue
        label = _filled(source.answer, row, paths[0]) if source.labels else ""
        if source.labels and label not in source.labels:
            known = ", ".join(source.labels)
            raise DataError(
                f"{paths[0]}: row {len(found) + 1} has the label {label!r}; known: {known}"
            )
        found.append(label)
    if not found:
        raise DataError(f"{paths[0]}: there are no rows in it")
    return found, skipped


def _drawn(
    recipe: Recipe, edition: dict[str, Source], labels: dict[str, list[str]], amounts: Amounts
) -> dict[str, tuple[str, list[int]]]:
    """Split -> (where its rows are, which)."""
    name, held = recipe.name, recipe.held
    if "both" in edition:
        train, choosing, test = draw.draw_all(name, len(labels["both"]), amounts, held)
        return {"train": ("both", train), "eval": ("both", choosing), "test": ("both", test)}
    train, choosing = draw.draw_training(name, labels["train"], amounts, held.get("eval"))
    classes = bool(edition["test"].labels)
    test = draw.draw_test(name, labels["test"], amounts, classes)
    return {"train": ("train", train), "eval": ("train", choosing), "test": ("test", test)}


def _rows(paths: list[Path], source: Source, chosen: dict[str, list[int]]) -> dict[str, list[Row]]:
    """The chosen rows of a publisher's split in the order of the draw."""
    needed = {index for indices in chosen.values() for index in indices}
    made, number = dict[int, Row](), 0
    for row in readers.rows(paths, source):
        if row is None:
            continue
        if number in needed:
            made[number] = _row(row, source, paths[0])
        number += 1
    return {split: [made[index] for index in indices] for split, indices in chosen.items()}


def _row(fields: dict[str, str], source: Source, path: Path) -> Row:
    answer = _filled(source.answer, fields, path)
    if source.pattern is not None:
        part = re.search(source.pattern, answer)
        if part is None:
            raise DataError(f"{path}: an answer has no {source.pattern!r}: {answer[-40:]!r}")
        answer = part[1]
    told = fields | {"choices": source.choices}
    kept = {new: _filled(f"{{{old}}}", fields, path) for new, old in source.keep.items()}
    prompt = _filled(source.prompt, told, path)
    return {"prompt": prompt, "answer": source.labels.get(answer, answer), **kept}


def _filled(template: str, fields: dict[str, Any], path: Path) -> str:
    try:
        return template.format_map(fields)
    except KeyError as error:
        known = ", ".join(sorted(fields.keys() - {"choices"}))
        raise DataError(f"{path}: its rows have no field {error}; they have {known}") from None
