"""Publishers' files, row after row: some have millions, so that none is held whole.

A reader gives a row's fields as texts, None for a line that lacks one (known in GLUE's QQP). What
is no such file raises DataError that names the place.
"""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.data.standard.recipes import Source
from harness.errors import DataError, first_line
from harness.store.files import require_regular

Fields = dict[str, str]
Reader = Callable[[Path, Source], Iterator["Fields | None"]]


def rows(paths: list[Path], source: Source) -> Iterator[Fields | None]:
    """All rows of a source's files, one after the other."""
    for path in paths:
        try:
            if not path.is_dir():  # of texts, a file a row
                require_regular(path)
            yield from READERS[source.format](path, source)
        except (csv.Error, ValueError, RecursionError) as error:  # nested too deeply, say
            raise DataError(f"{path}: not {source.format} as published: {error}") from None
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _csv(path: Path, source: Source) -> Iterator[Fields | None]:
    """With a header, or with the recipe's columns; these files write a line break as backslash n
    (the readme of arXiv 1509.01626's data)."""
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, fieldnames=source.columns or None, strict=True)
        for number, row in enumerate(reader, 1):
            if None in row or None in row.values():
                raise DataError(f"{path}: row {number} has more or fewer fields than it should")
            yield {name: text.replace("\\n", "\n") for name, text in row.items()}


def _tsv(path: Path, source: Source) -> Iterator[Fields | None]:
    """GLUE's: a header, no quotes."""
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield None if None in row.values() else {k: v for k, v in row.items() if k is not None}


def _jsonl(path: Path, source: Source) -> Iterator[Fields | None]:
    for number, row in _objects(path):
        yield _texts(row, f"{path}, line {number}")


def _multirc(path: Path, source: Source) -> Iterator[Fields | None]:
    """A passage a line; every candidate answer of every question is a row."""
    for number, row in _objects(path):
        try:
            passage = row["passage"]
            for question in passage["questions"]:
                for answer in question["answers"]:
                    asked = {"question": question["question"], "candidate": answer["text"]}
                    label = {"label": answer["label"]} if "label" in answer else {}
                    told = {"text": passage["text"], **asked, **label}
                    yield _texts(told, f"{path}, line {number}")
        except (KeyError, TypeError):
            raise DataError(
                f"{path}, line {number}: no passage with questions and answers"
            ) from None


def _json(path: Path, source: Source) -> Iterator[Fields | None]:
    told = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(told, list):
        raise DataError(f"{path}: it must be a JSON list")
    for number, row in enumerate(told, 1):
        yield _texts(row, f"{path}, entry {number}")


def _superni(path: Path, source: Source) -> Iterator[Fields | None]:
    """One task of Super-NaturalInstructions: its definition, and instances with their answers."""
    told = json.loads(path.read_text(encoding="utf-8"))
    try:
        definition = told["Definition"]
        first = definition if isinstance(definition, str) else definition[0]
        pairs = [(row["input"], row["output"][0]) for row in told["Instances"] if row["output"]]
    except (KeyError, TypeError, IndexError):
        raise DataError(f"{path}: no Definition, or Instances without input and output") from None
    for text, output in pairs:
        yield _texts({"definition": first, "input": text, "output": output}, str(path))


def _folders(path: Path, source: Source) -> Iterator[Fields | None]:
    """A folder of texts for every label."""
    for label in source.labels:
        for file in sorted((path / label).glob("*.txt")):
            text = file.read_text(encoding="utf-8").replace("<br />", "\n")
            yield {"text": text, "label": label}


def _parquet(path: Path, source: Source) -> Iterator[Fields | None]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        for batch in ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                yield _texts(row, str(path))
    except ArrowException as error:
        raise DataError(f"{path}: not parquet: {first_line(error)}") from None


READERS: dict[str, Reader] = {
    "csv": _csv,
    "tsv": _tsv,
    "json": _json,
    "jsonl": _jsonl,
    "multirc": _multirc,
    "superni": _superni,
    "folders": _folders,
    "parquet": _parquet,
}


def _objects(path: Path) -> Iterator[tuple[int, Any]]:
    """(line, value) of a file with one JSON value a line."""
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield number, json.loads(line)


def _texts(row: Any, where: str) -> Fields:
    if not isinstance(row, dict):
        raise DataError(f"{where}: it must be an object with fields")
    return {name: value if isinstance(value, str) else str(value) for name, value in row.items()}
