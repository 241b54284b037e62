"""Score one model folder on benchmarks, each through lm-eval, each as one node of the store."""

import json
import logging
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from harness.config import HarnessConfig
from harness.config.choices import Average
from harness.data.demonstrations import put_before
from harness.data.randomness import seed_everything
from harness.data.rows import read_rows
from harness.evaluation.floors import floors
from harness.evaluation.item_scores import checked_items
from harness.evaluation.material import read_material, store_parts
from harness.evaluation.scores import Prediction, collect, in_own_units, require_scores
from harness.evaluation.task_yaml import write_material, write_task
from harness.models.loading import load_prompts
from harness.store.files import write_atomically, write_json
from harness.store.keys import digest
from harness.store.layout import DETAILS, PREDICTIONS, SCORES, SUITES, cache_place
from harness.store.listener import SILENT, Listener
from harness.store.records import Benchmark, Demonstrations, Evaluation
from harness.store.scores import ScoreRow


class Evaluator:
    """One loaded model; `score` writes one benchmark's node files into a folder."""

    def __init__(self, config: HarnessConfig, source: Path | str, device: str) -> None:
        from datasets import config as datasets_settings

        from harness.evaluation.language_model import HarnessLM
        from harness.generation.choice import backend_of

        # Else every local file that is opened asks the network, for statistics, and waits for it.
        datasets_settings.HF_UPDATE_DOWNLOAD_COUNTS = False
        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        self.config = config
        prompts = load_prompts(config.model, source)
        backend = backend_of(config, source, prompts, device)
        self.lm = HarnessLM(backend, prompts)

    def score(self, asked: Evaluation, folder: Path, listener: Listener = SILENT) -> None:
        """Run a benchmark; writes its lm-eval task, scores and predictions. The listener hears of
        requests, of which a choice of an item is one.

        Raises StageFailed, before anything is written, where a score is none.
        """
        from lm_eval.evaluator import evaluate

        # Demonstrations may use the model's whole context; the task's limit is for the bare prompt.
        benchmark = asked.benchmark
        self.lm.start_counting(None if asked.shown else benchmark.max_prompt_tokens, listener)
        with _undisturbed():
            tasks = self._load_tasks(asked, folder)
            self._apply_sampling(tasks, asked.temperature, asked.seed)
            with _looked_at(tasks, asked):
                results = evaluate(
                    self.lm, tasks, limit=asked.limit, bootstrap_iters=0, log_samples=True
                )
        rows, predictions = _rows(results, tasks, asked)
        write_json(folder / SCORES, rows)
        write_json(folder / DETAILS, self.lm.counted())
        lines = (json.dumps(item, ensure_ascii=False, sort_keys=True) for item in predictions)
        write_atomically(folder / PREDICTIONS, "".join(f"{line}\n" for line in lines))

    def _apply_sampling(self, tasks: dict[str, Any], temperature: float, seed: int | None) -> None:
        if temperature == 0 or seed is None:
            return
        seed_everything(seed)
        for task in tasks["tasks"].values():
            if task.OUTPUT_TYPE == "generate_until":
                task.config.generation_kwargs |= {"do_sample": True, "temperature": temperature}

    def _load_tasks(self, asked: Evaluation, folder: Path) -> dict[str, Any]:
        from lm_eval.tasks import TaskManager

        benchmark = asked.benchmark
        if asked.data is None:
            return _built_in(benchmark)
        data = Path(asked.data.path)
        if benchmark.source is not None:
            material = read_material(benchmark.source.name, data, benchmark.shots)
            parts = store_parts(material, self._shared())
            write_material(folder, benchmark, material, parts)
        else:
            rows = self._with_demonstrations(data, asked.shown) if asked.shown else data
            write_task(folder, benchmark, rows, asked.cut)
        manager = TaskManager(include_path=str(folder), include_defaults=False)
        return manager.load([benchmark.name])

    def _shared(self) -> Path:
        """Where the rows lie that nodes have in common."""
        return cache_place(self.config.store.root, SUITES).absolute()

    def _with_demonstrations(self, data: Path, shown: Demonstrations) -> Path:
        """The rows of a TRACE-format file, solved rows put before every prompt."""
        rows = [
            {**row, "prompt": put_before(row["prompt"], shown, self.lm.prompts)}
            for row in read_rows(data)
        ]
        return write_json(self._shared() / f"{digest(rows)}.json", rows)


def _looked_at(tasks: dict[str, Any], asked: Evaluation) -> AbstractContextManager[None]:
    """Look at what our own scoring, or a user's, gives for each item. The scores of lm-eval's own
    tasks are looked at as a whole: an item of theirs may have none."""
    benchmark = asked.benchmark
    scorer = benchmark.source or benchmark.scorer
    if asked.data is None or scorer is None:
        return nullcontext()
    return checked_items(tasks["tasks"], benchmark.name, scorer.name, benchmark.unit)


def _rows(
    results: dict[str, Any], tasks: dict[str, Any], asked: Evaluation
) -> tuple[list[ScoreRow], list[Prediction]]:
    """Score rows and predictions of a benchmark. Raises StageFailed where a score is none."""
    benchmark = asked.benchmark
    by_items = benchmark.average is Average.items
    lowest = floors(tasks["tasks"], results["samples"], by_items=by_items)
    rows, predictions = collect(results, benchmark.name, benchmark.average, lowest, benchmark.unit)
    if asked.data is None:
        rows = in_own_units(rows, benchmark.headline)
    require_scores(rows, benchmark.name, benchmark.headline, benchmark.filter)
    return rows, predictions


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
