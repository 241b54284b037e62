"""Score one model folder on benchmarks, each through lm-eval, each as one node of the store.

A benchmark takes three steps: its requests are prepared, they are answered in chunks, by one
process or by several, and the scores are made of all answers.
"""

import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.config import HarnessConfig
from harness.config.choices import Average
from harness.data.randomness import derive_seed
from harness.evaluation.floors import floors
from harness.evaluation.item_scores import checked_items
from harness.evaluation.language_model import Answered, Asked, Asker
from harness.evaluation.loading import already_built, build_requests, load_tasks
from harness.evaluation.scores import Prediction, collect, in_own_units, require_scores
from harness.generation.choice import backend_of, chunk_tokens
from harness.generation.dealing import Chunk
from harness.generation.requests import Requests, requests_of
from harness.models.loading import load_prompts
from harness.store.files import write_atomically, write_json
from harness.store.layout import DETAILS, PREDICTIONS, SCORES
from harness.store.listener import SILENT, Listener
from harness.store.pulse import beat
from harness.store.records import Evaluation
from harness.store.scores import ScoreRow

Done = Callable[[int], None]


@dataclass(frozen=True)
class Answers:
    """What a backend gave for the requests of one chunk, in their order. seconds: how long that
    took; halved: how often it had to halve a batch meanwhile, because memory ran out; smaller: were
    batches smaller than asked for, also because that had happened before?"""

    given: list[Any]
    seconds: float = 0.0
    halved: int = 0
    smaller: bool = False


@dataclass(frozen=True)
class Prepared:
    """A benchmark whose requests are there. tasks: what lm-eval loaded; asked: by kind of request;
    details: of the requests, for the node."""

    benchmark: Evaluation
    tasks: dict[str, Any]
    asked: dict[str, Asked]
    requests: Requests
    details: dict[str, float]


class Evaluator:
    """One loaded model; `score` writes one benchmark's node files into a folder."""

    def __init__(self, config: HarnessConfig, source: Path | str, device: str) -> None:
        from datasets import config as datasets_settings

        # Else every local file that is opened asks the network, for statistics, and waits for it.
        datasets_settings.HF_UPDATE_DOWNLOAD_COUNTS = False
        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        self.config = config
        self.prompts = load_prompts(config.model, source)
        self.backend = backend_of(config, source, self.prompts, device)

    def score(self, asked: Evaluation, folder: Path, listener: Listener = SILENT) -> None:
        """Run a benchmark here and now; writes its lm-eval task, scores and predictions. The
        listener hears of requests, of which a choice of an item is one.

        Raises StageFailed, before anything is written, where a score is none.
        """
        prepared = self.prepare(asked, folder)
        heard = Heard(listener, len(prepared.requests))
        answers = [
            self.answer(prepared.requests, chunk, asked.seed, heard)
            for chunk in prepared.requests.chunks
        ]
        self.finish(prepared, answers, folder)

    def prepare(self, asked: Evaluation, folder: Path) -> Prepared:
        """Load a benchmark's tasks, writing those of our own into `folder`, and make its
        requests."""
        beat(patient=True)
        # Demonstrations may use the model's whole context; the task's limit is for the bare prompt.
        limit = None if asked.shown else asked.benchmark.max_prompt_tokens
        asker = Asker(self.prompts, self.backend.context, limit)
        with _undisturbed():
            tasks = load_tasks(asked, folder, self.config.store.root, self.prompts)
            _apply_sampling(tasks["tasks"], asked)
            built = build_requests(tasks["tasks"], asked.limit)
            asks = {kind: asker.ask(kind, requests) for kind, requests in built.items()}
        calls = [call for one in asks.values() for call in one.calls]
        requests = requests_of(calls, chunk_tokens(self.config.eval))
        return Prepared(asked, tasks, asks, requests, asker.counted())

    def answer(self, requests: Requests, chunk: Chunk, seed: int | None, done: Done) -> Answers:
        """Answer one chunk. What is drawn follows from the seed and the chunk alone; `done` hears
        after every batch how many more requests are answered."""
        call, before = requests.of(chunk), getattr(self.backend, "halved", 0)
        started = time.monotonic()
        with _undisturbed():
            if call.how is None:
                given: list[Any] = self.backend.likelihoods(call.rows, done)
            else:
                drawn = derive_seed(seed or 0, "chunk", chunk.call, *chunk.members)
                how = replace(call.how, seed=drawn)
                given = self.backend.generate(call.rows, how, done)
        after = getattr(self.backend, "halved", 0)
        return Answers(given, time.monotonic() - started, after - before, after > 0)

    def finish(self, prepared: Prepared, answers: Sequence[Answers], folder: Path) -> None:
        """Score the answers to all chunks, given in their order, and write the node's files.

        Raises StageFailed, before anything is written, where a score is none.
        """
        from lm_eval.evaluator import evaluate

        asked, tasks = prepared.benchmark, prepared.tasks
        gathered = iter(prepared.requests.gathered([one.given for one in answers]))
        responses = {
            kind: one.respond([next(gathered) for _ in one.calls])
            for kind, one in prepared.asked.items()
        }
        with _undisturbed(), already_built(tasks["tasks"]), _looked_at(tasks, asked):
            results = evaluate(
                Answered(responses), tasks, limit=asked.limit, bootstrap_iters=0, log_samples=True
            )
        rows, predictions = _rows(results, tasks, asked)
        write_json(folder / SCORES, rows)
        write_json(folder / DETAILS, prepared.details | _spent(answers))
        lines = (json.dumps(item, ensure_ascii=False, sort_keys=True) for item in predictions)
        write_atomically(folder / PREDICTIONS, "".join(f"{line}\n" for line in lines))


def _spent(answers: Sequence[Answers]) -> dict[str, float]:
    """Seconds that devices took for all answers; where memory ran out, the batches that were halved
    for that, and the chunks that went through in smaller batches since."""
    seconds = {"device_seconds": sum(one.seconds for one in answers)}
    halved, smaller = (sum(getattr(one, n) for one in answers) for n in ("halved", "smaller"))
    told = {"halved_batches": halved, "chunks_in_smaller_batches": smaller}
    return seconds | (told if smaller else {})


class Heard:
    """Counts answered requests for a listener; `before` of them were answered already."""

    def __init__(self, listener: Listener, total: int, before: int = 0) -> None:
        self.listener, self.total, self.answered = listener, total, before

    def __call__(self, count: int) -> None:
        self.answered += count
        self.listener.update(self.answered, self.total)


def _apply_sampling(tasks: dict[str, Any], asked: Evaluation) -> None:
    if asked.temperature == 0 or asked.seed is None:
        return
    for task in tasks.values():
        if task.OUTPUT_TYPE == "generate_until":
            sampled = {"do_sample": True, "temperature": asked.temperature}
            task.config.generation_kwargs |= sampled


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


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Give back the random states that lm-eval or a chunk's seed sets, so that scoring changes
    nothing else."""
    import numpy
    import torch

    states = random.getstate(), numpy.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(states[0])
            numpy.random.set_state(states[1])
