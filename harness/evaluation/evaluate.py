"""Score one model folder on benchmarks, each through lm-eval, each as one node of the store."""

import json
import logging
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.config import HarnessConfig
from harness.data.demonstrations import with_demonstrations
from harness.data.files import read_rows
from harness.engine.ranks import seed_everything
from harness.evaluation.task_yaml import write_task
from harness.files import write_atomically, write_json
from harness.modeling import load_prompts, load_stage

SCORES, PREDICTIONS = "scores.json", "predictions.jsonl"


class Evaluator:
    """One loaded model; `score` writes one benchmark's node files into a folder."""

    def __init__(self, config: HarnessConfig, source: Path | str, device: str) -> None:
        from harness.evaluation.language_model import HarnessLM

        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        self.config = config
        model = load_stage(config.model, source, config.engine.precision.value)
        prompts = load_prompts(config.model, source)
        self.lm = HarnessLM(model.to(device).eval(), prompts, config.eval.batch_size)

    def score(self, spec: dict[str, Any], folder: Path, progress: Callable[[], None]) -> None:
        """Run the benchmark of a node's `spec`; writes its lm-eval task, scores and predictions."""
        from lm_eval.evaluator import evaluate

        # Demonstrations may use the model's whole context; the task's limit is for the bare prompt.
        shown = spec.get("demonstrations")
        self.lm.prompt_limit = None if shown else spec["what"]["max_prompt_tokens"]
        with _undisturbed():
            tasks = _load_tasks(spec, folder)
            self._apply_sampling(tasks)
            results = evaluate(
                self.lm, tasks, limit=spec["limit"], bootstrap_iters=0, log_samples=True
            )
        rows, predictions = collect(results, spec["benchmark"])
        write_json(folder / SCORES, rows)
        lines = (json.dumps(item, ensure_ascii=False, sort_keys=True) for item in predictions)
        write_atomically(folder / PREDICTIONS, "".join(f"{line}\n" for line in lines))
        progress()

    def _apply_sampling(self, tasks: dict[str, Any]) -> None:
        temperature = self.config.eval.temperature
        if temperature == 0:
            return
        seed_everything(self.config.seed)
        for task in tasks["tasks"].values():
            if task.OUTPUT_TYPE == "generate_until":
                task.config.generation_kwargs |= {"do_sample": True, "temperature": temperature}


def _load_tasks(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    from lm_eval.tasks import TaskManager

    what = spec["what"]
    if spec["data"] is None:
        tasks = TaskManager().load([what["lm_eval_task"]])
        for task in tasks["tasks"].values():
            task.set_config(key="num_fewshot", value=what["shots"])
        return tasks
    data = Path(spec["data"])
    if spec.get("demonstrations"):
        shown, instruction = spec["demonstrations"], spec["instruction"]
        rows = [
            {**row, "prompt": with_demonstrations(row["prompt"], shown, instruction)}
            for row in read_rows(data)
        ]
        data = write_json(folder / "test.json", rows)
    write_task(folder, spec["benchmark"], data, what)
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return manager.load([spec["benchmark"]])


def collect(results: dict[str, Any], benchmark: str) -> tuple[list[dict], list[dict]]:
    """lm-eval's results as score rows and predictions.

    A row is {subtask, metric, filter, value, stderr, n, higher_is_better}; subtask is null for the
    benchmark itself. The standard error comes from the per-item values where the score is their
    mean, else it is null.
    """
    rows, predictions = [], []
    for task, samples in sorted(results["samples"].items()):
        subtask = None if task == benchmark else task
        predictions += [_prediction(sample, subtask) for sample in samples]
        for name, value in _metrics(results["results"][task]):
            metric, _, chosen = name.partition(",")
            items = [s[metric] for s in samples if s["filter"] == chosen and metric in s]
            higher = results["higher_is_better"].get(task, {}).get(metric, True)
            rows.append(_row(subtask, metric, chosen, value, items, higher))
    for group in sorted(set(results["results"]) - set(results["samples"])):
        subtask = None if group == benchmark else group
        for name, value in _metrics(results["results"][group]):
            metric, _, chosen = name.partition(",")
            rows.append(_row(subtask, metric, chosen, value, [], True))
    return rows, predictions


def _metrics(result: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in sorted(result.items()):
        if "," in name and "_stderr," not in name and isinstance(value, int | float):
            yield name, float(value)


def _row(
    subtask: str | None, metric: str, chosen: str, value: float, items: list, higher: bool
) -> dict[str, Any]:
    numbers = [float(item) for item in items if isinstance(item, int | float)]
    stderr = None
    if len(numbers) == len(items) > 1:
        mean = math.fsum(numbers) / len(numbers)
        if math.isclose(mean, value, abs_tol=1e-9):
            squares = math.fsum((number - mean) ** 2 for number in numbers)
            stderr = math.sqrt(squares / (len(numbers) - 1) / len(numbers))
    return {
        "subtask": subtask,
        "metric": metric,
        "filter": chosen,
        "value": value,
        "stderr": stderr,
        "n": len(items) or None,
        "higher_is_better": bool(higher),
    }


def _prediction(sample: dict[str, Any], subtask: str | None) -> dict[str, Any]:
    return {
        "subtask": subtask,
        "item": sample["doc_id"],
        "filter": sample["filter"],
        "target": sample["target"],
        "prediction": sample["filtered_resps"],
        "values": {name: sample[name] for name in sample["metrics"]},
    }


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Give back the random states that lm-eval reseeds, so that scoring changes nothing else."""
    import numpy
    import torch

    states = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        numpy.random.set_state(states[1])
        torch.set_rng_state(states[2])
