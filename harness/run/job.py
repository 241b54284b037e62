"""A job: one run, composed, checked and planned once, before any job of a sweep starts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from harness.config import HarnessConfig
from harness.config.compose.mistakes import Attempt, attempt
from harness.config.compose.settings import settings_of
from harness.errors import mistakes_of, refuse
from harness.evaluation.known_tasks import check_lm_eval_tasks
from harness.plan.checks.run import mistakes, output_mistakes, validate
from harness.plan.load import settled, with_converted
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


def swept(job: Job, jobs: Sequence[Job]) -> str:
    """What tells a job from the others of a sweep: its words that not all have, as they were
    given; its name where there are none."""
    shared = set.intersection(*(set(other.composition.overrides) for other in jobs))
    own = [word for word in job.composition.overrides if word not in shared]
    return " ".join(own) or job.name


@dataclass(frozen=True)
class Refused:
    """A job of a sweep that is left out: what tells it from the others, and why. composed: false
    where Hydra could not even do that, which its launchers do once more."""

    overrides: tuple[str, ...]
    name: str
    lines: tuple[str, ...]
    composed: bool


@dataclass(frozen=True)
class Sweep:
    """The jobs of a command line that can be done, and those that are left out; none are unless
    `sweep.skip_invalid` is set."""

    jobs: list[Job]
    refused: list[Refused]


@dataclass
class _Candidate:
    """A job on its way: what it is as far as it is known, and what is wrong with it. left_out:
    composing it refused some of its words."""

    overrides: tuple[str, ...]
    composition: Composition | None = None
    lines: list[str] = field(default_factory=list)
    left_out: bool = False


def make_jobs(lists: Sequence[Sequence[str]]) -> list[Job]:
    """Compose, check and plan every job of a sweep.

    Raises ConfigError for a mistake, Mistakes for all of several; then nothing was written.
    """
    candidates = _composed(lists)
    refuse(line for each in candidates for line in each.lines)
    return _planned(candidates)


def make_sweep(
    lists: Sequence[Sequence[str]],
    ready: Callable[[list[Job]], None] = lambda jobs: None,
    planned: bool = False,
) -> Sweep:
    """As `make_jobs`; where `sweep.skip_invalid` is set, jobs with mistakes are left out. Raises
    where no job is left. ready: what jobs are asked last, which raises as well. planned: none of
    them is to run here."""
    candidates = _composed(lists, planned)
    if not any(_skips(each) for each in candidates):
        refuse(line for each in candidates for line in each.lines)
        jobs = _planned(candidates, planned)
        ready(jobs)
        return Sweep(jobs, [])
    jobs = list[Job]()
    for each in candidates:
        if not each.lines:
            each.lines += mistakes_of(partial(_add_alone, each, planned, ready, jobs))
    if not jobs:
        refuse(line for each in candidates for line in each.lines)
    return Sweep(jobs, [_refused(each, candidates) for each in candidates if each.lines])


def job_of(config: HarnessConfig) -> Job:
    """The job of a configuration that is there already. Raises ConfigError or Mistakes."""
    validate(config)
    return _planned([_Candidate((), Composition((), config))])[0]


def _composed(lists: Sequence[Sequence[str]], planned: bool = False) -> list[_Candidate]:
    """What composing and checking says of every job; what several were refused with is sought
    once."""
    found, known = list[_Candidate](), set[str]()
    for overrides in lists:
        each = _Candidate(tuple(overrides))
        tried = attempt(list(overrides), known)
        each.lines += tried.lines
        each.left_out = bool(tried.lines)
        config = _settled(tried, each.lines)
        if config is not None:
            each.composition = Composition(each.overrides, config, tried.asks_hydra)
            each.lines += tried.about_others(mistakes(config, planned))
        known |= set(each.lines)
        found.append(each)
    return found


def _settled(tried: Attempt, lines: list[str]) -> HarnessConfig | None:
    """The configuration with what it names in the form that a run reads, as far as that takes no
    time; None for none."""
    found: list[HarnessConfig] = []
    if tried.config is not None:
        given = tried.config
        lines += tried.about_others(mistakes_of(lambda: found.append(settled(given))))
    return found[0] if found else None


def _skips(each: _Candidate) -> bool:
    return each.composition is not None and each.composition.config.sweep.skip_invalid


def _refused(each: _Candidate, others: Iterable[_Candidate]) -> Refused:
    shared = set.intersection(*(set(other.overrides) for other in others))
    own = [word for word in each.overrides if word not in shared]
    lines = tuple(dict.fromkeys(each.lines))
    return Refused(each.overrides, " ".join(own) or "the job", lines, not each.left_out)


def _add_alone(
    each: _Candidate, planned: bool, ready: Callable[[list[Job]], None], jobs: list[Job]
) -> None:
    (job,) = _planned([each], planned)
    ready([job])
    jobs.append(job)


def _check_known_tasks(config: HarnessConfig) -> None:
    check_lm_eval_tasks(config, Path(config.store.root).absolute() / CACHE)


def _converted(compositions: list[Composition], planned: bool) -> list[Composition]:
    """Each with its model in the form that a run reads, which may take long to make: checking has
    found nothing wrong with any. Raises ConfigError or Mistakes, also for what is wrong with what
    was made."""
    found, lines = list[Composition](), list[str]()

    def convert(composition: Composition) -> None:
        config = with_converted(composition.config)
        found.append(replace(composition, config=config))
        if config is not composition.config:
            refuse(mistakes(config, planned))

    for composition in compositions:
        lines += mistakes_of(partial(convert, composition))
    refuse(lines)
    return found


def _planned(candidates: list[_Candidate], planned: bool = False) -> list[Job]:
    """The jobs of checked configurations, in one store per root. Raises ConfigError or Mistakes."""
    compositions = [each.composition for each in candidates if each.composition is not None]
    refuse(line for composition in compositions for line in output_mistakes(composition.config))
    refuse(
        line
        for composition in compositions
        for line in mistakes_of(partial(_check_known_tasks, composition.config))
    )
    compositions = _converted(compositions, planned)
    stores = {
        wanted.root: Store(wanted.root, silence=60 * wanted.silence_minutes)
        for wanted in (composition.config.store for composition in compositions)
    }
    jobs = list[Job]()
    for composition in compositions:
        store = stores[composition.config.store.root]
        plan = make_plan(composition.config, store.hashes, settings_of(list(composition.overrides)))
        jobs.append(Job(composition, store, plan))
    for store in stores.values():
        store.hashes.save()
    return jobs
