"""How good a model is on validation data, for edits that choose between models."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.config import HarnessConfig
from harness.evaluation.datasets_cache import local_cache
from harness.evaluation.evaluator import Evaluator
from harness.store.layout import DATASETS, SCORES, cache_place
from harness.store.records import Evaluation

Scores = Callable[[Path], list[float]]


def validation_scores(config: HarnessConfig, asked: Sequence[Evaluation], device: str) -> Scores:
    """A function from a model folder to the headline score, 0..1, of each evaluation."""

    def scores(model: Path) -> list[float]:
        evaluator = Evaluator(config, model, device)
        return [_headline(evaluator, one) for one in asked]

    return scores


def _headline(evaluator: Evaluator, asked: Evaluation) -> float:
    cache = cache_place(evaluator.config.store.root, DATASETS).absolute()
    with tempfile.TemporaryDirectory() as place, local_cache(cache):
        evaluator.score(asked, Path(place))
        rows = json.loads((Path(place) / SCORES).read_text())
    return next(row["value"] for row in rows if row["metric"] == asked.benchmark.headline)
