"""What a reader makes of a publisher's raw files: the rows of a benchmark and its lm-eval task.

A reader is a function `read(folder, shots) -> Material` in `harness/evaluation/sources/`; a
benchmark names it by its module, or by dotted path. Demonstrations are part of the prompts that it
builds. Importing a reader loads neither torch nor lm-eval; the functions that score its rows may.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config.parts import Kind, load_part
from harness.data.rows import split_path
from harness.errors import ConfigError, DataError
from harness.store.files import write_atomically
from harness.store.keys import digest

Row = dict[str, Any]
WHOLE = ""  # the one part of a benchmark without subtasks


class Function(str):
    """A dotted path that lm-eval resolves (`!function package.module.name`)."""


@dataclass(frozen=True)
class Material:
    """A benchmark as its reader found it.

    parts: subtask -> its rows, each with a `prompt`; a benchmark without subtasks has the one part
    WHOLE. A row's `asked`, where it has one, is repeated beside its prediction.
    task: keys of lm-eval's task files that all parts share.
    """

    parts: dict[str, list[Row]]
    task: dict[str, Any]


def choice_task(metrics: tuple[str, ...] = ("acc",)) -> dict[str, Any]:
    """The task of rows {prompt, choices, answer: index}: the likeliest choice, after one space."""
    return {
        "output_type": "multiple_choice",
        "doc_to_choice": "choices",
        "target_delimiter": " ",
        "metric_list": [_mean(metric) for metric in metrics],
    }


def text_task(score: str, metrics: tuple[str, ...], until: tuple[str, ...] = ()) -> dict[str, Any]:
    """The task of rows {prompt, answer}: text generated up to one of `until`, given to the function
    `score` (dotted path of process_results(doc, results) -> {metric: value})."""
    return {
        "output_type": "generate_until",
        "target_delimiter": "",
        "generation_kwargs": {"until": list(until), "do_sample": False},
        "process_results": Function(score),
        "metric_list": [_mean(metric) for metric in metrics],
    }


def _mean(metric: str) -> dict[str, Any]:
    return {"metric": metric, "aggregation": "mean", "higher_is_better": True}


def require_no_shots(shots: int, benchmark: str) -> None:
    """Raise ConfigError where examples are asked of files that hold none to show."""
    if shots:
        raise ConfigError(f"shots={shots}: the files of {benchmark} hold no examples; use shots=0")


def source_folder(root: str | None, folder: str) -> Path:
    """Where a benchmark's files lie: an absolute folder, or one below the root. Raises ConfigError
    or DataError naming data.suite_root."""
    if Path(folder).is_absolute():
        root = str(Path(folder).parent)
    if root is None:
        raise ConfigError(
            f"set data.suite_root=<folder>, or SUITE_DATA, to the folder that holds {folder}"
        )
    if not Path(root).is_dir():
        raise DataError(f"data.suite_root={root} does not exist; it must hold {folder}")
    path = Path(root) / folder
    if not path.is_dir():
        raise DataError(f"{path} does not exist; set data.suite_root=<the folder with {folder}>")
    return path.absolute()


def rows_file(root: str | None, folder: str) -> Path:
    """The items of a benchmark in TRACE's format. Raises as `source_folder`."""
    found = source_folder(root, folder)
    return split_path(str(found.parent), found.name, "test")


def read_material(source: str, folder: Path, shots: int) -> Material:
    """Run a reader. Raises DataError, or ConfigError led by the benchmark's key that is wrong."""
    read = load_part(source, "source", Kind.source)
    return read(folder, shots)  # type: ignore[operator]


def store_copy(data: Path, sha256: str, cache_folder: Path) -> None:
    """Copy a task's file of rows to its name by content, so that what was asked can be shown where
    the data went away; models and stages share it. A file that changed since is left out."""
    place = cache_folder / f"{sha256}.json"
    if place.is_file():
        return
    content = data.read_bytes()
    if hashlib.sha256(content).hexdigest() == sha256:
        write_atomically(place, content)


def store_parts(material: Material, cache_folder: Path) -> dict[str, Path]:
    """Write every part's rows as a JSON Lines file named by its content; returns part -> file.

    Models and stages share the files, so a node holds no copy of its prompts.
    """
    files: dict[str, Path] = {}
    for name, rows in material.parts.items():
        text = "".join(f"{json.dumps(row, ensure_ascii=False, sort_keys=True)}\n" for row in rows)
        path = cache_folder / f"{digest(text)}.jsonl"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text)
        files[name] = path
    return files
