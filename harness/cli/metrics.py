"""`harness metrics`: every continual-learning measure of a CSV file of scores, by name."""

import json
import math
import statistics
import sys
from pathlib import Path

from harness.cli.arguments import Arguments
from harness.cli.say import say
from harness.errors import ConfigError, DataError
from harness.results.against_single import FORMULAS, measures_against_single
from harness.results.measures.continual import MEASURES, op_curve
from harness.results.measures.matrix import PAST, SCHEDULES, ScoreMatrix
from harness.results.score_file import RunScores, read_runs
from harness.results.target_scores import left_out

_DESCRIPTION = """\
Compute OP, BWT, forgetting and their kin from a CSV file with the columns stage,task,value and
optionally n,stderr,floor,run,seed. Scores are 0..1; stage t is the model after t tasks, stage 0,
which is optional, the initial model. The harness's own results/scores.csv is read as well. Where
the file also has runs of schedule single (models tuned on one task each) of the same model, data,
protocol and tasks, the others get their intransigence and, where the floors of the tasks are known
(what a model without skill scores; the harness's table has them), their normalised OP."""

Alone = dict[str, float | None]


def main(argv: list[str]) -> int:
    """Print the measures of every run in a file; return 0, or raise a HarnessError."""
    options = _parser().parse_args(argv)
    order = _split_order(options.order)
    runs = read_runs(options.scores, order, options.schedule or "", options.past or "")
    for line in left_out(options.scores):
        print(line, file=sys.stderr)
    for run in runs:
        _check_complete(options.scores, run)
    floors = _floors(options.floors)
    alone = [measures_against_single(run, runs, floors) for run in runs]
    if floors and all(found["op_normalised"] is None for found in alone):
        raise DataError(
            f"{options.scores}: --floors needs runs of schedule single beside "
            "others, as a table of this harness has them"
        )
    if options.json:
        print(_as_json(runs, alone))
    else:
        say(_as_text(runs, alone))
    return 0


def _parser() -> Arguments:
    parser = Arguments(prog="harness metrics", description=_DESCRIPTION)
    parser.add_argument("scores", type=Path, metavar="scores.csv")
    parser.add_argument("--order", help="tasks in the order of training: a,b,c")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--schedule", choices=SCHEDULES, help="what was run (sequential)")
    parser.add_argument("--past", choices=PAST, help="ends: only row T and diagonal were scored")
    told = "scores without skill (majority class, empty answer), if not those of the file"
    parser.add_argument("--floors", metavar="a=0.33,b=0.5", help=told)
    return parser


def _floors(text: str | None) -> dict[str, float]:
    """--floors as {task: score in 0..1}."""
    floors: dict[str, float] = {}
    for word in text.split(",") if text is not None else []:
        name, _, number = word.rpartition("=")
        try:
            floors[name.strip()] = float(number)
        except ValueError:
            floors[name.strip()] = math.nan
        if not name.strip() or not 0.0 <= floors[name.strip()] <= 1.0:
            raise ConfigError(f"--floors {word!r}: write task=score with a score in 0..1")
    return floors


def _split_order(text: str | None) -> list[str]:
    if text is None:
        return []
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ConfigError(f"--order {text!r}: holds an empty name; write task names as a,b,c")
    return names


def _check_complete(path: Path, run: RunScores) -> None:
    missing = run.matrix.missing()
    if missing:
        stage, task = missing[0]
        more = f" (and {len(missing) - 1} more cells)" if len(missing) > 1 else ""
        where = f" of run {run.run!r}" if run.run else ""
        raise DataError(
            f"{path}: no score for task {task!r} at stage {stage}{where}{more}; a "
            f"{run.matrix.schedule} run of {run.matrix.size} tasks needs it"
        )


def _measures(matrix: ScoreMatrix) -> dict[str, object]:
    """Return every measure and its item error by name, null where undefined."""
    found: dict[str, object] = {}
    for name, measure in MEASURES.items():
        estimate = measure.of(matrix)
        found[name] = estimate.value
        found[f"{name}_item_error"] = estimate.item_error
    return found | {"op_curve": op_curve(matrix)}


def _as_json(runs: list[RunScores], alone: list[Alone]) -> str:
    """One run is a flat object; several are a list, with means if they differ in seed only."""
    records = [_record(run) | found for run, found in zip(runs, alone, strict=True)]
    if len(records) == 1:
        return _dump(records[0])
    return _dump({**_over_seeds(runs), "runs": records})


def _dump(content: dict[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _record(run: RunScores) -> dict[str, object]:
    matrix = run.matrix
    return {
        "run": run.run or None,
        "seed": run.seed or None,
        "schedule": matrix.schedule,
        "tasks": list(matrix.tasks),
        **_measures(matrix),
    }


def _over_seeds(runs: list[RunScores]) -> dict[str, object]:
    """Return means and standard deviations over seeds; nothing if runs differ otherwise."""
    seeds = {run.seed for run in runs}
    alike = {(run.group or run.run, run.matrix.tasks, run.matrix.schedule) for run in runs}
    if len(alike) > 1 or len(seeds) < len(runs):
        return {}
    means: dict[str, object] = {"seeds": len(runs)}
    for name, measure in MEASURES.items():
        values = [measure.of(run.matrix).value for run in runs]
        defined = [value for value in values if value is not None]
        whole = len(defined) == len(values)
        means[name] = statistics.fmean(defined) if whole else None
        means[f"{name}_seed_sd"] = statistics.stdev(defined) if whole else None
    return means


def _as_text(runs: list[RunScores], alone: list[Alone]) -> str:
    return "\n\n".join(_block(run, found) for run, found in zip(runs, alone, strict=True))


def _block(run: RunScores, alone: Alone) -> str:
    matrix = run.matrix
    labels = [f"run {run.run}" if run.run else "", f"seed {run.seed}" if run.seed else ""]
    head = ", ".join(filter(None, [*labels, f"schedule {matrix.schedule}"]))
    lines = [f"{head}, {matrix.size} tasks: {', '.join(matrix.tasks)}"]
    for name, measure in MEASURES.items():
        estimate = measure.of(matrix)
        value = "-" if estimate.value is None else f"{estimate.value:.4f}"
        error = "" if estimate.item_error is None else f"± {estimate.item_error:.4f}"
        lines.append(f"  {name:<18}{value:>8} {error:<9} {measure.formula}")
    lines += [
        f"  {name:<18}{value:>8.4f} {'':<9} {FORMULAS[name]}"
        for name, value in alone.items()
        if value is not None
    ]
    curve = op_curve(matrix)
    if curve is not None:
        lines.append(f"  op_curve            {' '.join(f'{value:.4f}' for value in curve)}")
    lines.append("  scores 0..1; ± is the item error (finite test sets), not the spread over seeds")
    return "\n".join(lines)
