"""`harness import`: results of TRACE's reference code or of lm-eval into the tidy table."""

from pathlib import Path

from harness.cli.arguments import Arguments, add_places
from harness.cli.say import say
from harness.config.places import sequence_tasks
from harness.results.importing import lm_eval_files, trace_files
from harness.results.importing.record import RunName, finish, record
from harness.store.folders import require_writable
from harness.store.store import Store

_DESCRIPTION = """\
Read result files into the tidy table as a run of the given name: `trace` the files of TRACE's
reference code (predictions are scored again), `lm_eval` the results of the stock lm-eval as one
stage of a run. Further imports under the same name add to the same run."""


def main(argv: list[str]) -> int:
    """Import, print what came in; return 0 or raise."""
    options = _parser().parse_args(argv)
    require_writable(options.store, "--store")
    require_writable(options.results, "--results")
    store, schedule = Store(str(options.store)), "sequential"
    tasks: list[str] = []
    sequence = options.sequence or ("trace_rcl" if options.reasoning else "trace")
    if options.format == "trace":
        cells, tasks, schedule = trace_files.read_folder(
            options.folder, sequence_tasks(sequence), options.reasoning
        )
    else:
        cells = lm_eval_files.read_folder(
            options.folder, options.stage, options.suite, options.metric
        )
    name = RunName(
        model=options.model,
        method=options.method,
        sequence=sequence,
        data=options.data,
        protocol=options.protocol,
        seed=options.seed,
        schedule=schedule,
    )
    run = record(cells, name, tasks, store)
    store.hashes.save()
    rebuilt = finish(store, options.results)
    stages = sorted({cell.stage for cell in cells})
    say(f"imported {len(cells)} cells of stages {stages[0]} to {stages[-1]} as run {run}")
    say(*rebuilt.left_out, f"scores: {rebuilt.path}")
    return 0


def _parser() -> Arguments:
    parser = Arguments(prog="harness import", description=_DESCRIPTION)
    parser.add_argument("format", choices=("trace", "lm_eval"))
    parser.add_argument("folder", type=Path, help="folder with the result files")
    parser.add_argument("--model", required=True, help="name of the model in tables")
    parser.add_argument("--method", required=True, help="name of the method in tables")
    parser.add_argument("--sequence", help="name of the sequence (trace; of RCL trace_rcl)")
    parser.add_argument("--data", default="", help="name of the data, for example trace_5000")
    parser.add_argument("--protocol", default="imported", help="name of the protocol (imported)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the run (0)")
    rcl = "trace: answers reason first (RCL data); score as conf/task/reasoning does"
    parser.add_argument("--reasoning", action="store_true", help=rcl)
    parser.add_argument("--stage", type=int, default=0, help="lm_eval: tasks trained before (0)")
    parser.add_argument("--suite", default="general", help="lm_eval: suite of the tasks (general)")
    parser.add_argument("--metric", help="lm_eval: the headline metric of every task")
    add_places(parser)
    return parser
