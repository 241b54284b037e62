"""The lm-eval tasks of a benchmark, and the requests that they make of a model."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from harness.data.demonstrations import put_before
from harness.data.encoding import PromptFormat
from harness.data.rows import read_rows
from harness.evaluation.material import read_material, store_parts
from harness.evaluation.task_yaml import write_material, write_task
from harness.store.files import write_json
from harness.store.keys import digest
from harness.store.layout import SUITES, cache_place
from harness.store.records import Benchmark, Demonstrations, Evaluation


def load_tasks(asked: Evaluation, folder: Path, root: str, prompts: PromptFormat) -> dict[str, Any]:
    """What lm-eval loads for a benchmark: its tasks and groups. A benchmark of our own is written
    as a task into `folder` first; `root` is the store, where rows lie that nodes have in common."""
    from lm_eval.tasks import TaskManager

    benchmark = asked.benchmark
    if asked.data is None:
        return _built_in(benchmark)
    data, shared = Path(asked.data.path), cache_place(root, SUITES).absolute()
    if benchmark.source is not None:
        material = read_material(benchmark.source.name, data, benchmark.shots)
        write_material(folder, benchmark, material, store_parts(material, shared))
    else:
        rows = _with_demonstrations(data, asked.shown, shared, prompts) if asked.shown else data
        write_task(folder, benchmark, rows, asked.cut)
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return manager.load([benchmark.name])


def build_requests(tasks: Mapping[str, Any], limit: int | None) -> dict[str, list[Any]]:
    """Kind of request -> the requests of all tasks, as lm-eval's `evaluate` makes and orders them.
    The tasks keep them."""
    from lm_eval.evaluator_utils import get_sample_size

    found: dict[str, list[Any]] = defaultdict(list)
    for task in tasks.values():
        task.build_all_requests(limit=get_sample_size(task, limit))
        for request in task.instances:
            found[request.request_type] += [request] * request.repeats
    return dict(found)


@contextmanager
def already_built(tasks: Mapping[str, Any]) -> Iterator[None]:
    """Inside, lm-eval's `evaluate` takes the requests that the tasks have: built once more, they
    would cost as long again, and randomly drawn demonstrations would be others."""
    for task in tasks.values():
        task.build_all_requests = _keep
    try:
        yield
    finally:
        for task in tasks.values():
            del task.build_all_requests


def _keep(**options: Any) -> None:
    """In the place of building."""


def _with_demonstrations(
    data: Path, shown: Demonstrations, shared: Path, prompts: PromptFormat
) -> Path:
    """The rows of a TRACE-format file, solved rows put before every prompt."""
    rows = [{**row, "prompt": put_before(row["prompt"], shown, prompts)} for row in read_rows(data)]
    return write_json(shared / f"{digest(rows)}.json", rows)


def _built_in(benchmark: Benchmark) -> dict[str, Any]:
    tasks = _all_tasks().load([benchmark.lm_eval_task])
    for task in tasks["tasks"].values():
        task.set_config(key="num_fewshot", value=benchmark.shots)
    return tasks


@cache
def _all_tasks() -> Any:
    """The tasks that ship with lm-eval; reading their index takes ten seconds."""
    from lm_eval.tasks import TaskManager

    return TaskManager()
