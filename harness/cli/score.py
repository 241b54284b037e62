"""`harness score`: all scores of a task for predictions that were made elsewhere."""

import json
import math
from pathlib import Path

from harness.cli.arguments import Arguments
from harness.config.allowed import allow
from harness.config.places import option_names
from harness.evaluation.foreign import score_items, scoring_at, scoring_of
from harness.evaluation.prediction_file import SHAPE, read_predictions
from harness.store.files import write_json

_DESCRIPTION = f"""\
Score predictions as an evaluation of the task would: one JSON object with the mean of every strict
and lenient metric, 0..1, and the name of the headline metric. The file is JSON:
{SHAPE}, strings, one per item; prompts are needed where the metric compares with the source
(20Minuten). The result files of TRACE's reference code are read as well."""


def main(argv: list[str]) -> int:
    """Print the scores of a file of predictions; return 0, or raise a HarnessError."""
    options = _parser().parse_args(argv)
    if module := (options.scorer or "").rpartition(".")[0]:
        allow([module], "--scorer")  # this command line names it
    scoring = scoring_of(options.task) if options.task else scoring_at(options.scorer, "--scorer")
    items = score_items(scoring, read_predictions(options.predictions), options.predictions)
    if options.item_values:
        write_json(options.item_values, items)
    means = {name: math.fsum(values) / len(values) for name, values in items.items()}
    about = {
        "task": scoring.task,
        "scorer": scoring.path,
        "n": len(next(iter(items.values()))),
        "headline": scoring.headline or next(iter(items)),
    }
    print(json.dumps(about | means, indent=2, ensure_ascii=False, allow_nan=False))
    return 0


def _parser() -> Arguments:
    parser = Arguments(prog="harness score", description=_DESCRIPTION)
    parser.add_argument("predictions", metavar="FILE", help="JSON file; - reads standard input")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--task", help=f"one of {', '.join(option_names('task', []))}")
    what.add_argument("--scorer", help="name or path of a scorer; its first metric is the headline")
    parser.add_argument(
        "--item-values", type=Path, metavar="OUT", help="write {metric: [value of every item]}"
    )
    return parser
