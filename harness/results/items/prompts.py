"""What the items of an eval node ask: from the file of data that it was scored on, else from the
copy or the rows that its store keeps."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from harness.data.rows import read_rows
from harness.errors import DAMAGED
from harness.store.files import is_still, regular_text
from harness.store.inside import file_inside
from harness.store.keys import digest
from harness.store.layout import SUITES, TASK, cache_place
from harness.store.store import Store

Prompts = Mapping[str, Sequence[str]]  # part of a benchmark ("" = it has none) -> by item


def prompts_of(store: Store, key: str) -> Prompts | None:
    """The prompts of a benchmark's data; None where they are not known: of lm-eval's own tasks, and
    where what was scored is there no more as it was.

    Demonstrations that stood before the prompt of a task are not in it.
    """
    try:
        manifest = store.manifest("eval", key)
        if manifest.get("lm_eval"):
            return None
        if manifest["benchmark"].get("source"):
            return dict(_of_parts(store, key))
        path, sha256 = manifest["data"]["path"], manifest["data"]["sha256"]
        own = cache_place(store.root, SUITES) / f"{Path(sha256).name}.json"
        found = next(filter(None, (_of_file(place, sha256) for place in (Path(path), own))), None)
        return None if found is None else {"": found}
    except (*DAMAGED, yaml.YAMLError):
        return None


def prompt_of(known: Prompts | None, subtask: str, item: str) -> str | None:
    """Of one item, by the names that predictions have; None where it is not known."""
    prompts = (known or {}).get(subtask)
    if prompts is None or not item.isdecimal() or int(item) >= len(prompts):
        return None
    return prompts[int(item)]


@lru_cache(maxsize=32)
def _of_file(path: Path, sha256: str) -> Sequence[str] | None:
    """A store may be somebody else's: a file is read where it has the hash that the store tells."""
    if not is_still(path, sha256):
        return None
    return tuple(row["prompt"] for row in read_rows(path))


def _of_parts(store: Store, key: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Of a benchmark in a publisher's own format: the rows that its reader made, which lie in the
    store, named by their content."""
    place = file_inside(store.root, store.path("eval", key), TASK)
    told = _Loader(regular_text(place)).get_single_data()
    parts = told["task"] if isinstance(told["task"], list) else [told | {"task_alias": ""}]
    for part in parts:
        name = Path(part["dataset_kwargs"]["data_files"]["test"]).name
        yield part["task_alias"], _of_rows(cache_place(store.root, SUITES) / name)


@lru_cache(maxsize=32)
def _of_rows(path: Path) -> Sequence[str]:
    text = regular_text(path)
    if digest(text) != path.stem:
        raise ValueError(f"{path}: is not what was written")
    return tuple(json.loads(line)["prompt"] for line in text.split("\n") if line)


class _Loader(yaml.SafeLoader):
    """Plain YAML, in which functions are their names."""


def _name(loader: _Loader, node: Any) -> str:
    return str(node.value)


_Loader.add_constructor("!function", _name)
