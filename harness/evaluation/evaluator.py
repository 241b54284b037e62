"""Score one model folder on benchmarks, each through lm-eval, each as one node of the store."""

import json
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from harness.config import HarnessConfig
from harness.data.demonstrations import Shown
from harness.data.randomness import seed_everything
from harness.data.rows import read_rows
from harness.evaluation.floors import floors
from harness.evaluation.material import read_material, store_parts
from harness.evaluation.scores import collect
from harness.evaluation.task_yaml import write_material, write_task
from harness.models.adapters import load_stage
from harness.models.loading import load_prompts
from harness.store.files import write_atomically, write_json
from harness.store.keys import digest

SCORES, PREDICTIONS, DETAILS = "scores.json", "predictions.jsonl", "details.json"


class Evaluator:
    """One loaded model; `score` writes one benchmark's node files into a folder."""

    def __init__(self, config: HarnessConfig, source: Path | str, device: str) -> None:
        from datasets import config as datasets_settings

        from harness.evaluation.language_model import HarnessLM
        from harness.generation.hf import HuggingFaceBackend

        # Else every local file that is opened asks the network, for statistics, and waits for it.
        datasets_settings.HF_UPDATE_DOWNLOAD_COUNTS = False
        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        self.config = config
        model = load_stage(config.model, source, config.engine.precision.value)
        prompts = load_prompts(config.model, source)
        backend = HuggingFaceBackend(
            model.to(device).eval(),
            prompts.tokenizer,
            prompts.eos_token_id,
            config.eval.batch_size,
        )
        self.lm = HarnessLM(backend, prompts)

    def score(self, spec: dict[str, Any], folder: Path, progress: Callable[[], None]) -> None:
        """Run the benchmark of a node's `spec`; writes its lm-eval task, scores and predictions."""
        from lm_eval.evaluator import evaluate

        # Demonstrations may use the model's whole context; the task's limit is for the bare prompt.
        shown = spec.get("shown")
        self.lm.start_counting(None if shown else spec["what"]["max_prompt_tokens"])
        with _undisturbed():
            tasks = self._load_tasks(spec, folder)
            self._apply_sampling(tasks, spec["temperature"])
            results = evaluate(
                self.lm, tasks, limit=spec["limit"], bootstrap_iters=0, log_samples=True
            )
        average = spec["what"].get("average", "subtasks")
        lowest = floors(tasks["tasks"], results["samples"], by_items=average == "items")
        rows, predictions = collect(results, spec["benchmark"], average, lowest)
        write_json(folder / SCORES, rows)
        write_json(folder / DETAILS, self.lm.counted())
        lines = (json.dumps(item, ensure_ascii=False, sort_keys=True) for item in predictions)
        write_atomically(folder / PREDICTIONS, "".join(f"{line}\n" for line in lines))
        progress()

    def _apply_sampling(self, tasks: dict[str, Any], temperature: float) -> None:
        if temperature == 0:
            return
        seed_everything(self.config.seed)
        for task in tasks["tasks"].values():
            if task.OUTPUT_TYPE == "generate_until":
                task.config.generation_kwargs |= {"do_sample": True, "temperature": temperature}

    def _load_tasks(self, spec: dict[str, Any], folder: Path) -> dict[str, Any]:
        from lm_eval.tasks import TaskManager

        if spec["data"] is None:
            return _built_in(spec["what"])
        if spec["what"].get("source"):
            what, data = spec["what"], Path(spec["data"])
            material = read_material(what["source"], data, what["shots"])
            parts = store_parts(material, self._shared())
            write_material(folder, spec["benchmark"], material, parts, what)
        else:
            self._write_rows(spec, folder)
        manager = TaskManager(include_path=str(folder), include_defaults=False)
        return manager.load([spec["benchmark"]])

    def _shared(self) -> Path:
        """Where the rows lie that nodes have in common."""
        return Path(self.config.store.root).absolute() / "cache" / "suites"

    def _write_rows(self, spec: dict[str, Any], folder: Path) -> None:
        """The task of a TRACE-format file, solved rows put before every prompt."""
        data = Path(spec["data"])
        if spec.get("shown"):
            shown = Shown(**spec["shown"])
            rows = [
                {**row, "prompt": shown.before(row["prompt"], self.lm.prompts)}
                for row in read_rows(data)
            ]
            data = write_json(self._shared() / f"{digest(rows)}.json", rows)
        write_task(folder, spec["benchmark"], data, spec["what"], spec.get("cut"))


def _built_in(what: dict[str, Any]) -> dict[str, Any]:
    tasks = _all_tasks().load([what["lm_eval_task"]])
    for task in tasks["tasks"].values():
        task.set_config(key="num_fewshot", value=what["shots"])
    return tasks


@cache
def _all_tasks() -> Any:
    """The tasks that ship with lm-eval; reading their index takes ten seconds."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


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
