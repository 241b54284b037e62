"""Data of lm-eval's own benchmarks: loaded once in a helper process, and remembered as cached."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import constants

from harness.config import HarnessConfig
from harness.errors import ConfigError, DataError
from harness.models.hub import PREFETCH, is_offline
from harness.store.files import write_json
from harness.store.helper import call

# Benchmarks whose scoring splits sentences with nltk, by a part of their name.
NLTK = {"ifeval": "punkt_tab", "ruler": "punkt_tab", "niah": "punkt_tab"}


def lm_eval_tasks(config: HarnessConfig) -> dict[str, str]:
    """lm-eval task -> where the configuration names it."""
    return {
        benchmark.lm_eval_task: f"suite.{suite}.benchmarks.{name}.lm_eval_task"
        for suite, group in config.suite.items()
        for name, benchmark in group.benchmarks.items()
        if benchmark.lm_eval_task is not None
    }


def readers(config: HarnessConfig) -> dict[str, str]:
    """Dotted path of the reader of a local benchmark -> where the configuration names it."""
    return {
        benchmark.source: f"suite.{suite}.benchmarks.{name}.source"
        for suite, group in config.suite.items()
        for name, benchmark in group.benchmarks.items()
        if benchmark.source is not None
    }


def nltk_resources(tasks: Iterable[str]) -> list[str]:
    """The nltk resources that scoring these tasks (of lm-eval, or readers of local ones) reads."""
    return sorted({name for task in tasks for part, name in NLTK.items() if part in task})


def require_nltk(resources: Iterable[str], place: str) -> None:
    """Raise ConfigError for a resource that is not on this machine; nothing is fetched here."""
    from harness.evaluation.prefetch.nltk_data import folder_of

    for resource in resources:
        if folder_of(resource) is None:
            raise ConfigError(
                f"{place}: it scores with nltk's {resource}, which NLTK_DATA does not hold; "
                f"{PREFETCH}, or python -m nltk.downloader {resource}"
            )


def datasets_cache() -> Path:
    """Where the datasets library keeps its files."""
    default = Path(constants.HF_HOME) / "datasets"
    return Path(os.environ.get("HF_DATASETS_CACHE") or default).expanduser()


def require_benchmarks(where: dict[str, str]) -> None:
    """Load what was not loaded before, so that nothing is trained for a benchmark that cannot be
    scored. Raises ConfigError naming the first that fails. `where` as `lm_eval_tasks` gives it."""
    known = remembered()
    tasks = [name for name in where if name not in known]
    if not tasks:
        return
    for name, reason in load(tasks).items():
        offline = "HF_HUB_OFFLINE is set" if is_offline() else "cannot be fetched"
        raise ConfigError(
            f"{where[name]}={name} is not cached ({reason}) and {offline}; {PREFETCH}"
        )


def load(tasks: list[str]) -> dict[str, str]:
    """Load tasks and their nltk resources in a helper process, and remember those that worked.
    Returns what did not: task -> why."""
    request = {task: nltk_resources([task]) for task in tasks}
    module = "harness.evaluation.prefetch.loader"
    failed: dict[str, str] = call(module, request, "loading lm-eval tasks", _environment())
    _remember([task for task in tasks if task not in failed])
    return failed


def _environment() -> dict[str, str]:
    """Offline for the hub is offline for the datasets library."""
    return {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"} if is_offline() else {}


def remembered() -> set[str]:
    """Tasks that were loaded with this lm-eval; the memory lies with the data that it speaks of."""
    path = _memory()
    return set(json.loads(path.read_text())) if path.is_file() else set()


def _remember(tasks: list[str]) -> None:
    if tasks:
        with suppress(DataError):  # a shared cache may be read-only: then it is loaded again
            write_json(_memory(), sorted(remembered() | set(tasks)))


def _memory() -> Path:
    return datasets_cache() / f"harness-lm_eval-{version('lm_eval')}.json"
