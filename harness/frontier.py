"""`harness frontier`: a method over its strength beside sequential fine-tuning over its rate."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.compose import load, parse
from harness.config import HarnessConfig
from harness.errors import ConfigError, suggest
from harness.files import write_atomically
from harness.methods.loading import load_strategies
from harness.report.frontier import Comparison, Point, compare, point, verdict
from harness.report.frontier_plot import frontier_png
from harness.report.runs import load_runs
from harness.report.schema import read_scores
from harness.run import execute
from harness.validate import validate

USAGE = """\
usage: harness frontier method=METHOD knob=NAME [values=A,B] [rates=A,B] [seeds=0,1] [key=value]

Draw learning accuracy against backward transfer for METHOD over the values of one of its parameters
beside sequential fine-tuning over its learning rate, with error bars, and say whether the method is
beyond the learning rate. Without values or rates: steps around what is configured. What the store
holds is not run again. Writes <store.results>/frontier/METHOD_PARAMETER.{csv,png}.

  python -m harness frontier method=sfa knob=beta sequence=micro2 values=0.25,0.5 rates=1e-4,4e-4
"""
STEPS = (0.125, 0.25, 0.5, 1.0, 2.0)
FEWEST_CELLS = ("eval.past=ends", "eval.suite_stages=ends")


@dataclass
class Request:
    """What a command line asks for. Without values or rates: steps around what is configured."""

    method: str = ""
    knob: str = ""
    values: list[str] = field(default_factory=list)
    rates: list[str] = field(default_factory=list)
    seeds: list[str] = field(default_factory=lambda: ["0"])
    overrides: list[str] = field(default_factory=list)


def main(argv: list[str]) -> int:
    """Run what is missing, write results/frontier/<method>_<knob>.{csv,png}, print the verdict."""
    if {"-h", "--help"} & set(argv):
        print(USAGE, end="")
        return 0
    asked = _request(argv)
    where = _knob(asked)
    values = asked.values or _around(_current(asked, where), asked, where)
    rates = asked.rates or [f"{step * _rate(asked):.3g}" for step in STEPS]
    rates = sorted(rates, key=float)
    settings = [("seqft", f"train.learning_rate={rate}") for rate in rates]
    settings += [(asked.method, f"{where}={value}") for value in values]
    configs = {
        setting: [_config(asked, *setting, seed) for seed in asked.seeds] for setting in settings
    }
    for members in configs.values():
        for config in members:
            validate(config)
    found = {setting: _runs(members) for setting, members in configs.items()}
    curve = [point(f"{float(rate):g}", found[s]) for rate, s in zip(rates, settings, strict=False)]
    points = [
        point(f"{asked.knob}={value}", found[s])
        for value, s in zip(values, settings[len(rates) :], strict=True)
    ]
    return _report(asked, next(iter(configs.values()))[0], points, curve)


def _report(asked: Request, config: HarnessConfig, points: list[Point], curve: list[Point]) -> int:
    comparisons = compare(points, curve)
    told = verdict(comparisons)
    base = Path(config.store.results) / "frontier" / f"{asked.method}_{asked.knob}"
    lines = ["setting,learning_accuracy,learning_accuracy_error,bwt,bwt_error,above_curve,error"]
    lines += [_line(item, None) for item in curve]
    lines += [_line(item.point, item) for item in comparisons]
    table = write_atomically(base.with_suffix(".csv"), "\n".join(lines) + "\n")
    picture = write_atomically(
        base.with_suffix(".png"), frontier_png(asked.method, asked.knob, points, curve, told)
    )
    split = config.eval.split.value
    print("\n".join(lines))
    print(f"rates tried: {', '.join(item.label for item in curve)}; scored on the {split} split")
    print(f"{asked.method}: {told}")
    print(f"wrote {table}\nwrote {picture}")
    return 0


def _line(item: Point, comparison: Comparison | None) -> str:
    numbers = [item.learned, item.learned_error, item.kept, item.kept_error]
    if comparison is not None and comparison.difference is not None:
        numbers += [comparison.difference, comparison.error or 0.0]
    cells = [f"{number:.4f}" for number in numbers]
    return ",".join([item.label, *cells, *[""] * (6 - len(cells))])


def _request(argv: list[str]) -> Request:
    asked = Request()
    for word in argv:
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
    """The key of the knob: an alias of the preset or a parameter of one of its strategies."""
    method = load([*asked.overrides, f"method={asked.method}"]).method
    strategies = load_strategies(method)
    owners = [name for name, strategy in strategies.items() if hasattr(strategy, asked.knob)]
    if owners:
        return f"method.{owners[0]}.{asked.knob}"
    if method.adapter is not None and hasattr(method.adapter, asked.knob):
        return f"method.adapter.{asked.knob}"
    known = [name for strategy in strategies.values() for name in vars(strategy)]
    raise ConfigError(
        f"knob={asked.knob}: {asked.method} has no such parameter" + suggest(asked.knob, known)
    )


def _current(asked: Request, where: str) -> float:
    found: Any = load([*asked.overrides, f"method={asked.method}"]).method
    _, owner, name = where.split(".")
    value = found.adapter if owner == "adapter" else load_strategies(found)[owner]
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
            load_strategies(_config(asked, asked.method, f"{where}={value}", "0").method)
        except ConfigError:
            continue
        found.append(value)
    return found


def _rate(asked: Request) -> float:
    return load(asked.overrides).train.learning_rate


def _config(asked: Request, method: str, setting: str, seed: str) -> HarnessConfig:
    fixed = [*FEWEST_CELLS, *asked.overrides, f"method={method}"]
    return load([*fixed, setting, f"seed={seed}"])


def _runs(configs: list[HarnessConfig]) -> list[Any]:
    outcomes = [execute(config) for config in configs]
    wanted = {outcome.plan.run["run"] for outcome in outcomes}
    return [run for run in load_runs(read_scores(outcomes[-1].table)) if run.name in wanted]
