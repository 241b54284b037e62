"""A job: one run, composed, checked and planned once, before any job of a sweep starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from harness.config import HarnessConfig
from harness.config.compose.mistakes import Attempt, attempt
from harness.config.compose.settings import settings_of
from harness.errors import mistakes_of, refuse
from harness.evaluation.known_tasks import check_lm_eval_tasks
from harness.plan.checks.run import mistakes, output_mistakes, validate
from harness.plan.load import with_folder
from harness.plan.planner import make_plan
from harness.store.layout import CACHE
from harness.store.store import Store
from harness.store.work import Plan


@dataclass(frozen=True)
class Composition:
    """A composed job. asks_hydra: for more than to be composed, such as a launcher of its own."""

    overrides: tuple[str, ...]
    config: HarnessConfig
    asks_hydra: bool = False


@dataclass(frozen=True)
class Job:
    """One run; plain data, so that it can go to another process."""

    composition: Composition
    store: Store
    plan: Plan

    @property
    def config(self) -> HarnessConfig:
        return self.composition.config

    @property
    def name(self) -> str:
        """The job in one line among others of a sweep."""
        config = self.config
        return f"{config.method.name} seed={config.seed} on {config.sequence.name}"


def make_jobs(lists: Sequence[Sequence[str]], planned: bool = False) -> list[Job]:
    """Compose, check and plan every job of a sweep. planned: none of them is to run here.

    Raises ConfigError for a mistake, Mistakes for all of several; then nothing was written.
    """
    compositions, lines = list[Composition](), list[str]()
    for overrides in lists:
        tried = attempt(list(overrides), lines)
        lines += tried.lines
        config = _with_tasks(tried, lines)
        if config is not None:
            compositions.append(Composition(tuple(overrides), config, tried.asks_hydra))
            lines += tried.about_others(mistakes(config, planned))
    refuse(lines)
    return _planned(compositions)


def job_of(config: HarnessConfig) -> Job:
    """The job of a configuration that is there already. Raises ConfigError or Mistakes."""
    validate(config)
    return _planned([Composition((), config)])[0]


def _with_tasks(tried: Attempt, lines: list[str]) -> HarnessConfig | None:
    """The configuration with the tasks of a bare folder; None where there is none."""
    found: list[HarnessConfig] = []
    if tried.config is not None:
        given = tried.config
        lines += tried.about_others(mistakes_of(lambda: found.append(with_folder(given))))
    return found[0] if found else None


def _planned(compositions: list[Composition]) -> list[Job]:
    """The jobs of checked configurations, in one store per root."""
    refuse(line for composition in compositions for line in output_mistakes(composition.config))
    stores = {
        composition.config.store.root: Store(composition.config.store.root)
        for composition in compositions
    }
    jobs, lines = list[Job](), list[str]()
    for composition in compositions:
        config, store = composition.config, stores[composition.config.store.root]
        lines += mistakes_of(partial(check_lm_eval_tasks, config, store.root / CACHE))
    refuse(lines)
    for composition in compositions:
        store = stores[composition.config.store.root]
        plan = make_plan(composition.config, store.hashes, settings_of(list(composition.overrides)))
        jobs.append(Job(composition, store, plan))
    for store in stores.values():
        store.hashes.save()
    return jobs
