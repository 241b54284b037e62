"""Where the prompts of scored items come from, and where they are not believed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.evaluation.material import WHOLE, Material, choice_task, store_parts
from harness.evaluation.task_yaml import write_material
from harness.results.items.prompts import prompt_of, prompts_of
from harness.store.files import file_sha256
from harness.store.layout import SUITES, cache_place
from harness.store.records import Benchmark
from harness.store.store import Store

ROWS = [{"prompt": f"{n}?\u2028", "answer": "a"} for n in range(3)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def written(store: Store, manifest: dict[str, Any]) -> Path:
    folder = store.path("eval", "k")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def data(store: Store, tmp_path: Path) -> Path:
    path = tmp_path / "data" / "test.json"
    path.parent.mkdir()
    path.write_text(json.dumps(ROWS))
    told = {"path": str(path), "sha256": file_sha256(path)}
    written(store, {"benchmark": {"source": None}, "data": told})
    return path


def test_of_a_task_from_its_data_and_from_the_copy_of_the_store(store: Store, data: Path) -> None:
    known = {"": ("0?\u2028", "1?\u2028", "2?\u2028")}
    assert prompts_of(store, "k") == known
    copy = cache_place(store.root, SUITES) / f"{file_sha256(data)}.json"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(data.read_bytes())
    data.write_text(json.dumps(ROWS[:1]))
    assert prompts_of(store, "k") == known
    data.unlink()
    assert prompts_of(store, "k") == known


def test_a_file_that_is_not_the_one_that_was_scored_is_not_shown(store: Store, data: Path) -> None:
    copy = cache_place(store.root, SUITES) / f"{file_sha256(data)}.json"
    copy.parent.mkdir(parents=True)
    for path in (copy, data):
        path.write_text(json.dumps([{"prompt": "forged", "answer": "a"}]))
    assert prompts_of(store, "k") is None


def parts_of(store: Store, parts: dict[str, list[dict[str, Any]]]) -> Path:
    """What scoring a benchmark in a publisher's format leaves behind."""
    benchmark = Benchmark(name="own", max_prompt_tokens=None, max_answer_tokens=1, headline="acc")
    folder = written(store, {"benchmark": {"source": {"name": "mmlu"}}})
    material = Material(parts, choice_task())
    files = store_parts(material, cache_place(store.root, SUITES))
    write_material(folder, benchmark, material, files)
    return folder


def test_of_a_publishers_format_from_the_rows_of_the_store(store: Store) -> None:
    rows = [row | {"choices": ["a", "b"]} for row in ROWS]
    parts_of(store, {WHOLE: rows})
    assert prompts_of(store, "k") == {"": ("0?\u2028", "1?\u2028", "2?\u2028")}
    folder = parts_of(store, {"law": rows[:1], "physics": rows[1:]})
    known = prompts_of(store, "k")
    assert known == {"law": ("0?\u2028",), "physics": ("1?\u2028", "2?\u2028")}
    assert prompt_of(known, "physics", "1") == "2?\u2028"
    for subtask, item in (("law", "1"), ("", "0"), ("law", "x")):
        assert prompt_of(known, subtask, item) is None
    assert prompt_of(None, "", "0") is None
    text = (folder / "task.yaml").read_text()
    (folder / "task.yaml").write_text(text.replace(str(store.root), "/elsewhere"))
    assert prompts_of(store, "k") == known  # a store that was moved
    for path in cache_place(store.root, SUITES).iterdir():
        path.write_text('{"prompt": "forged"}\n')
    assert prompts_of(store, "k") == known  # read before


def test_rows_that_are_not_what_was_written_are_not_shown(store: Store) -> None:
    parts_of(store, {WHOLE: [row | {"choices": ["a", "b"]} for row in ROWS[:2]]})
    for path in cache_place(store.root, SUITES).iterdir():
        path.write_text('{"prompt": "forged"}\n')
    assert prompts_of(store, "k") is None
    (store.path("eval", "k") / "task.yaml").write_text("!!python/object/apply:os.getcwd []")
    assert prompts_of(store, "k") is None


def test_of_lm_evals_own_tasks_nothing_is_known(store: Store) -> None:
    written(store, {"benchmark": {"source": None}, "data": None, "lm_eval": "0.4"})
    assert prompts_of(store, "k") is None
    assert prompts_of(store, "gone") is None


def test_only_regular_files_are_read(store: Store, tmp_path: Path) -> None:
    """A pipe would be waited for, a device never ends; both may be named, or lie in the store."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for place in (pipe, Path("/dev/zero"), Path("/proc/self/status"), tmp_path):
        told = {"path": str(place), "sha256": "0" * 64}
        written(store, {"benchmark": {"source": None}, "data": told})
        assert prompts_of(store, "k") is None
    folder = written(store, {"benchmark": {"source": {"name": "mmlu"}}})
    os.mkfifo(folder / "task.yaml")
    assert prompts_of(store, "k") is None
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")
    assert prompts_of(store, "k") is None
