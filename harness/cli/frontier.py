"""`harness frontier`: a method over its strength beside sequential fine-tuning over its rate."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from harness.cli.display import Display, Jobs
from harness.cli.overrides import Words, parser, read
from harness.cli.say import say
from harness.config import BetweenTasks, HarnessConfig, MethodConfig, Schedule
from harness.config.places import parse
from harness.config.plain import plain
from harness.config.sequence import task_order
from harness.errors import ConfigError, Diverged, suggest
from harness.methods.edits.loading import load_edit
from harness.methods.loading import load_strategies
from harness.plan.cells import reported_schedule
from harness.plan.load import load
from harness.results.figures.frontier import frontier_figure
from harness.results.report.frontier import Comparison, Point, compare, point, verdict
from harness.results.runs import Run, load_runs
from harness.results.schema import Scores
from harness.run.job import Job, make_jobs
from harness.run.parent import finish, require_ready
from harness.run.tables import Tables, current_tables
from harness.run.tracking.follow import tracked
from harness.store.files import write_atomically

_DESCRIPTION = """\
method=METHOD knob=NAME [values=A,B] [rates=A,B] [seeds=A,B] and keys of a run.

Draw learning accuracy against backward transfer for METHOD over the values of one of its parameters
beside sequential fine-tuning over its learning rate, with error bars, and say whether the method is
beyond the learning rate. A method on an adapter is set beside the same adapter without it, an
adapter alone beside the training of all weights. Without values or rates: steps around what is
configured; without seeds: 0,1,2 (with fewer than three there are differences but no test). What the
store holds is not run again. Writes <store.results>/frontier/METHOD_PARAMETER.{csv,pdf,svg,png}."""
_EXAMPLES = (
    "frontier method=sfa knob=beta sequence=micro2 values=0.25,0.5 rates=1e-4,4e-4",
    "frontier method=[seqft,wise_ft] knob=alpha sequence=micro2",
)
STEPS = (0.125, 0.25, 0.5, 1.0, 2.0)
ADAPTERS = {
    BetweenTasks.keep: "lora_seqft",
    BetweenTasks.stack: "lora_stack",
    BetweenTasks.merge: "lora_merge",
}
FEWEST_CELLS = ("eval.past=ends", "eval.suite_stages=ends")


@dataclass
class Request:
    """What a command line asks for. Without values or rates: steps around what is configured."""

    method: str = ""
    knob: str = ""
    values: list[str] = field(default_factory=list)
    rates: list[str] = field(default_factory=list)
    seeds: list[str] = field(default_factory=lambda: ["0", "1", "2"])
    overrides: list[str] = field(default_factory=list)


def main(argv: list[str]) -> int:
    """Run what is missing, write the table and the figure, print the verdict."""
    asked = _request(read(parser("frontier", _DESCRIPTION, *_EXAMPLES, sweeps=False), argv))
    where = _knob(asked)
    values = asked.values or _around(_current(asked, where), asked, where)
    rates = asked.rates or [f"{step * _rate(asked):.3g}" for step in STEPS]
    rival = _rival(asked)
    against = {
        f"{rate:g}": _seeds(rival, [f"train.learning_rate={rate}"])
        for rate in sorted({float(rate) for rate in rates})
    }
    settings = {f"{asked.knob}={value}": _seeds(asked, [f"{where}={value}"]) for value in values}
    lists = [*against.values(), *settings.values()]
    jobs = make_jobs([overrides for members in lists for overrides in members])
    for job in jobs:
        _require_transfer(job.config)
    require_ready(jobs)
    with current_tables(jobs) as tables:
        run = _Runner(jobs, tables)
        curve = [point(*setting) for setting in run.each(against)]
        points = [point(*setting) for setting in run.each(settings)]
    return _report(asked, jobs[0].config, points, curve)


def _report(asked: Request, rival: HarnessConfig, points: list[Point], curve: list[Point]) -> int:
    comparisons = compare(points, curve)
    told = verdict(comparisons, curve)
    name = asked.method.strip("[]").replace(",", "+")
    base = Path(rival.store.results) / "frontier" / f"{name}_{asked.knob}"
    lines = ["setting,learning_accuracy,learning_accuracy_error,bwt,bwt_error,above_curve,error"]
    lines += [_line(item, None) for item in curve]
    lines += [_line(item.point, item) for item in comparisons]
    table = write_atomically(base.with_suffix(".csv"), "\n".join(lines) + "\n")
    drawn = frontier_figure((name, asked.knob, rival.method.name), points, curve, told)
    pictures = [
        write_atomically(base.with_suffix(f".{suffix}"), content)
        for suffix, content in drawn.items()
    ]
    split = rival.eval.split.value
    say("\n".join(lines))
    tried = ", ".join(item.label for item in curve)
    say(f"rates of {rival.method.name} tried: {tried}; scored on the {split} split")
    say(f"{name}: {told}")
    say(*(f"wrote {path}" for path in (table, *pictures)))
    return 0


def _line(item: Point, comparison: Comparison | None) -> str:
    numbers = [item.learned.value, item.learned.error, item.kept.value, item.kept.error]
    numbers += [None, None] if comparison is None else [comparison.difference, comparison.error]
    cells = ["" if number is None else f"{number:.4f}" for number in numbers]
    return ",".join([item.label, *cells])


def _request(words: Words) -> Request:
    asked = Request()
    for word in words.overrides:
        name, found, value = word.partition("=")
        if found and name in ("method", "knob"):
            setattr(asked, name, value)
        elif found and name in ("values", "rates", "seeds"):
            setattr(asked, name, value.strip("[]").split(","))
        else:
            asked.overrides.append(word)
    for name, example in (("method", "sfa"), ("knob", "beta")):
        if not getattr(asked, name):
            raise ConfigError(f"harness frontier: {name} is missing, for example {name}={example}")
    for name in ("rates", "seeds"):
        for value in getattr(asked, name):
            try:
                float(value)
            except ValueError as error:
                raise ConfigError(f"{name}={value}: it must be numbers") from error
    parse(asked.overrides)
    return asked


def _knob(asked: Request) -> str:
    """The key of the knob: a parameter of one of the method's strategies or edits, or of its
    adapter."""
    method = load([*asked.overrides, f"method={asked.method}"]).method
    parts = _parts(method)
    owners = [name for name, part in parts.items() if asked.knob in _parameters(part)]
    if owners:
        return f"method.{owners[0]}.{asked.knob}"
    if method.adapter is not None and hasattr(method.adapter, asked.knob):
        return f"method.adapter.{asked.knob}"
    known = [name for part in parts.values() for name in _parameters(part)]
    raise ConfigError(
        f"knob={asked.knob}: {asked.method} has no such parameter" + suggest(asked.knob, known)
    )


def _parts(method: MethodConfig) -> dict[str, Any]:
    """Strategies and edits by name."""
    edits = {name: load_edit(spec, f"method.{name}") for name, spec in method.edits.items()}
    return {**load_strategies(method), **edits}


def _parameters(part: Any) -> list[str]:
    return [spec.name for spec in fields(part) if spec.init]


def _rival(asked: Request) -> Request:
    """What the method is set beside: the same weights trained without its strategies and edits;
    all weights where the method is an adapter and nothing else."""
    method = load([*asked.overrides, f"method={asked.method}"]).method
    others = [word for word in asked.overrides if not word.lstrip("+~").startswith("method.")]
    adapter = method.adapter
    if adapter is None or not (method.strategies or method.edits):
        return replace(asked, method="seqft", overrides=others)
    given = plain(adapter) | {"targets": f"[{','.join(adapter.targets)}]"}
    same = [f"method.adapter.{name}={value}" for name, value in given.items()]
    same.append(f"method.learning_rate_factor={method.learning_rate_factor}")
    return replace(asked, method=ADAPTERS[adapter.between_tasks], overrides=[*others, *same])


def _require_transfer(config: HarnessConfig) -> None:
    if reported_schedule(config) is not Schedule.sequential or len(task_order(config)) < 2:
        raise ConfigError(
            f"a frontier needs BWT, and {config.method.name} on {config.sequence.name} has none: "
            "take a method that follows a sequence of two tasks or more (method.edit.at=all)"
        )


def _current(asked: Request, where: str) -> float:
    found: Any = load([*asked.overrides, f"method={asked.method}"]).method
    _, owner, name = where.split(".")
    value = found.adapter if owner == "adapter" else _parts(found)[owner]
    number = getattr(value, name)
    if isinstance(number, bool) or not isinstance(number, int | float) or number == 0:
        raise ConfigError(f"knob={name}: its value is {number}; say which to try, values=a,b,c")
    return number


def _around(current: float, asked: Request, where: str) -> list[str]:
    """Steps around the configured value, without those that the method refuses."""
    whole = isinstance(current, int)
    steps = [max(1, round(current * step)) if whole else current * step for step in (*STEPS, 4.0)]
    found = []
    for value in dict.fromkeys(f"{step:g}" for step in steps):
        try:
            _parts(load(_seeds(asked, [f"{where}={value}"])[0]).method)
        except ConfigError:
            continue
        found.append(value)
    return found


def _rate(asked: Request) -> float:
    return load([f"method={asked.method}", *asked.overrides]).train.learning_rate


def _seeds(asked: Request, setting: list[str]) -> list[list[str]]:
    """The overrides of one run per seed."""
    words = [*FEWEST_CELLS, f"method={asked.method}", *asked.overrides, *setting]
    return [[*words, f"seed={seed}"] for seed in asked.seeds]


class _Runner:
    """Does what the store lacks and says how far it is."""

    def __init__(self, jobs: list[Job], tables: Tables) -> None:
        self.tables = tables
        self.jobs = {job.composition.overrides: job for job in jobs}
        self.display, self.begun = Jobs(len(jobs)), 0

    def each(self, settings: dict[str, list[list[str]]]) -> Iterator[tuple[str, list[Run]]]:
        """The label of every setting with its runs, but for those that diverge."""
        for label, members in settings.items():
            if runs := self._all_of(label, members):
                yield label, runs

    def _all_of(self, label: str, members: list[list[str]]) -> list[Run]:
        """The runs of one setting, one per seed; none, which is told, where one of them diverges:
        those that do not would make it look better than it is."""
        outcomes = []
        for overrides in members:
            job = self.jobs[tuple(overrides)]
            name, seed = job.config.method.name, job.config.seed
            self.display.begin(self.begun, f"{name} {label} seed={seed}")
            self.begun += 1
            try:
                display = Display(beside=job.config.eval.beside > 0)
                outcomes.append(finish(job, self.tables, tracked(job, display)))
            except Diverged as error:
                print(f"{name} {label} is left out: seed={seed}: {error}", file=sys.stderr)
                return []
        by_run = {outcome.plan.run["run"]: outcome.scores for outcome in outcomes}
        return load_runs(Scores.of(row for scores in by_run.values() for row in scores.rows))
