"""Benchmarks as tests put them to a model."""

from pathlib import Path

from harness.config import BenchmarkConfig, HarnessConfig, TaskConfig
from harness.plan.scoring import as_benchmark
from harness.store.records import Content, EvalSettings, Evaluation


def asked(
    config: HarnessConfig,
    name: str,
    what: TaskConfig | BenchmarkConfig,
    data: Path | str,
    limit: int | None = None,
) -> Evaluation:
    """A benchmark on a file or folder, generated greedily."""
    return Evaluation(
        benchmark=as_benchmark(name, what),
        data=Content(str(data), "any"),
        limit=limit,
        settings=EvalSettings(config.eval, config.engine, config.model),
    )
