"""Local benchmarks as lm-eval YAML tasks over JSON files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.config.choices import Average
from harness.config.parts import Kind, load_part, python_path
from harness.data.rows import read_rows
from harness.errors import DataError
from harness.evaluation.material import WHOLE, Function, Material
from harness.store.files import write_atomically
from harness.store.layout import TASK
from harness.store.records import Benchmark


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(Function, lambda d, path: d.represent_scalar("!function", str(path)))

SCORING_FILE = "scoring.py"


def write_task(folder: Path, benchmark: Benchmark, data: Path, cut: str | None = None) -> None:
    """Write a local benchmark's lm-eval task into `folder`: the YAML and the scorer it calls.

    cut: of a prediction what stands before this text is scored, as TRACE's in-context code does
    with what a model goes on to write after its answer.
    """
    scorer = benchmark.scorer.name if benchmark.scorer else ""
    module, _, function = python_path(scorer, "scorer", Kind.scorer).rpartition(".")
    answer = f"results[0].partition({cut!r})[0]" if cut else "results[0]"
    scoring = (
        f"from {module} import {function}\n\n\n"
        f"def process_results(doc, results):\n    return {function}(doc, {answer})\n"
    )
    write_atomically(folder / SCORING_FILE, scoring)
    cap, version = benchmark.max_answer_tokens, benchmark.version
    write_atomically(folder / TASK, task_yaml(benchmark.name, data, scorer, cap, version))


def task_yaml(name: str, data: Path, scorer: str, max_answer_tokens: int, version: int) -> str:
    """YAML text of the lm-eval task `name` over the rows of `data`.

    The prompt goes to the model exactly as the file has it and nothing stands between prompt and
    answer; only EOS and the cap end a generation. The text also runs under the stock command line
    (`lm_eval --include_path <its folder> --tasks <name>`).
    """
    content: dict[str, Any] = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": "answer",
        "target_delimiter": "",
        "generation_kwargs": {
            "until": [],
            "do_sample": False,
            "max_gen_toks": max_answer_tokens,
        },
        "process_results": Function("scoring.process_results"),
        "metric_list": [
            {"metric": metric, "aggregation": "mean", "higher_is_better": True}
            for metric in _metric_names(scorer, data)
        ],
        "metadata": {"version": version},
    }
    return _dump(content)


def write_material(
    folder: Path, benchmark: Benchmark, material: Material, files: dict[str, Path]
) -> None:
    """Write a benchmark's lm-eval task or group, of a reader's material, into `folder`.

    `files`: part -> its rows. A group's subtasks are named `<name>::<name>.<part>` by lm-eval, so
    no name can be that of another task.
    """
    name = benchmark.name
    shared = {"dataset_path": "json", "test_split": "test", "doc_to_text": "prompt"}
    shared |= {"doc_to_target": "answer", "num_fewshot": 0, **material.task}
    if shared["output_type"] == "generate_until":
        cap = {"max_gen_toks": benchmark.max_answer_tokens}
        shared["generation_kwargs"] = shared["generation_kwargs"] | cap
    about = {"metadata": {"version": benchmark.version}}
    if list(files) == [WHOLE]:
        content = {"task": name, **_data(files[WHOLE]), **shared, **about}
    else:
        subtasks = [
            {"task": f"{name}.{part}", "task_alias": part, **_data(path), **about}
            for part, path in files.items()
        ]
        macro = benchmark.average is Average.subtasks
        means = [
            {"metric": metric["metric"], "aggregation": "mean", "weight_by_size": not macro}
            for metric in shared["metric_list"]
        ]
        content = {"group": name, "task": subtasks, "aggregate_metric_list": means, **shared}
    write_atomically(folder / TASK, _dump(content))


def subtask_name(task: str, benchmark: str) -> str:
    """The part that a task of `write_material`'s groups scores; other names as they are."""
    return task.removeprefix(f"{benchmark}::").removeprefix(f"{benchmark}.")


def _data(path: Path) -> dict[str, Any]:
    return {"dataset_kwargs": {"data_files": {"test": str(path)}}}


def _dump(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _metric_names(scorer: str, data: Path) -> list[str]:
    function = load_part(scorer, "scorer", Kind.scorer)
    try:
        found = function(read_rows(data)[0], "")  # type: ignore[operator]
    except (KeyError, TypeError) as error:
        raise DataError(f"{data}: scorer {scorer} cannot read its rows ({error})") from error
    if not isinstance(found, Mapping) or not found:
        raise DataError(f"{data}: scorer {scorer} gives {found!r}, it must give {{metric: value}}")
    return list(found)
