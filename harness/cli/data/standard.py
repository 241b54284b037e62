"""`harness data standard`: the tasks of the standard sequences from their publishers' files."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from harness.cli.arguments import Arguments
from harness.cli.say import say
from harness.config.ranges import require_range
from harness.data.standard.draw import EVAL_PER_CLASS, Amounts
from harness.data.standard.prepare import Prepared, prepare, write
from harness.data.standard.reading import TaskReport

_DESCRIPTION = f"""\
Draw the tasks of the standard sequences (4, 5 and 15 tasks, Super-NaturalInstructions, three
domains) from files that their publishers distribute, below one folder: ag_news_csv/train.csv,
MNLI/train.tsv, CB/train.jsonl, aclImdb/train, tasks/task1572_samsum_summary.json and so on. Rows
are counted against the published numbers and every file's sha256 is told. With --out, write
<out>/<task>/{{train,eval,test}}.json: rows to train on, {EVAL_PER_CLASS} of every class among the
others to choose on, and rows of the publisher's test (or dev) file, so many of every class; run
with STANDARD_DATA=<out>. Nothing is fetched."""


def main(argv: list[str]) -> int:
    """Check and write; returns 2 after one line each for what makes files others than the
    published, or raises a HarnessError."""
    options = _parser().parse_args(argv)
    require_range("--train", options.train, 1)
    require_range("--per-class", options.per_class, 1)
    amounts = Amounts(options.train, options.per_class, options.seed)
    tasks = None if options.tasks is None else [t for t in options.tasks.split(",") if t]
    found = prepare(options.folder, tasks, amounts)
    deviations = found.deviations
    refused = deviations and not options.allow_other
    written = None
    if options.out is not None and not refused:
        written = write(found, options.out, amounts)
    _show(found, options.json)
    if written is not None:
        say(f"{options.out}: {written} files written; STANDARD_DATA={options.out} takes them")
    for line in deviations:
        print(f"{'error' if refused else 'accepted'}: {line}", file=sys.stderr)
    if refused:
        nothing = "; nothing was written" if options.out else ""
        print(f"error: not the published files{nothing}; --allow-other takes them", file=sys.stderr)
    return 2 if refused else 0


def _show(found: Prepared, plain: bool) -> None:
    if plain:
        told = {report.name: asdict(report) for report in found.reports}
        print(json.dumps(told, ensure_ascii=False, indent=1))
        return
    for report in found.reports:
        _show_task(report)
    if found.missing:
        say(f"no files of: {', '.join(found.missing)}")


def _show_task(report: TaskReport) -> None:
    drawn = ", ".join(f"{rows} {split}" for split, rows in report.drawn.items())
    say(f"{report.name}: {drawn}")
    for part in report.read.values():
        known = {None: "their published number is not known", part.rows: "as published"}
        state = known.get(part.published, f"published: {part.published}")
        lacking = f", {part.skipped} lines without a field" if part.skipped else ""
        for name, sha256 in part.files.items():
            say(f"  {name}  sha256 {sha256}")
        say(f"    {part.rows} rows, {state}{lacking}")


def _parser() -> Arguments:
    usual = Amounts()
    parser = Arguments(prog="harness data standard", description=_DESCRIPTION)
    parser.add_argument("--from", dest="folder", type=Path, required=True, help="publishers' files")
    parser.add_argument("--out", type=Path, help="write the tasks below this folder")
    parser.add_argument("--tasks", help="only these, a,b,c; all that are there otherwise")
    parser.add_argument(
        "--train", type=int, default=usual.train, help=f"training rows of a task ({usual.train})"
    )
    parser.add_argument(
        "--per-class",
        type=int,
        default=usual.per_class,
        help=f"test rows of every class ({usual.per_class})",
    )
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--allow-other", action="store_true", help="accept other numbers of rows than published"
    )
    return parser
