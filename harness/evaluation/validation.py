"""How good a model is on validation data, for edits that choose between models."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.config import HarnessConfig
from harness.evaluation.datasets_cache import local_cache
from harness.evaluation.evaluator import SCORES, Evaluator

Score = Callable[[Path], float]


def validation_score(config: HarnessConfig, specs: Sequence[dict[str, Any]], device: str) -> Score:
    """A function from a model folder to the mean headline score, 0..1, over benchmarks; `specs` as
    an eval node has them."""

    def score(model: Path) -> float:
        evaluator = Evaluator(config, model, device)
        return sum(_headline(evaluator, spec) for spec in specs) / len(specs)

    return score


def _headline(evaluator: Evaluator, spec: dict[str, Any]) -> float:
    cache = Path(evaluator.config.store.root).absolute() / "cache" / "datasets"
    with tempfile.TemporaryDirectory() as place, local_cache(cache):
        evaluator.score(spec, Path(place), lambda: None)
        rows = json.loads((Path(place) / SCORES).read_text())
    return next(row["value"] for row in rows if row["metric"] == spec["what"]["headline"])
