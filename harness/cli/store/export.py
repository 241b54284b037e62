"""`harness store export`: a stage as a model folder."""

import time
from argparse import Namespace
from pathlib import Path

from harness.cli.arguments import Arguments
from harness.cli.say import say
from harness.run.stored.export import export, stage_of
from harness.run.stored.runs import find_run, stored_runs
from harness.store.contents import size
from harness.store.store import Store

DESCRIPTION = """\
Write a stage of a run into a folder that transformers loads: weights under the base model's names,
its configuration and tokenizer, and a model card with the run, its configuration and scores. A
stage that is an adapter stays one (PEFT's format) unless --merged adds it to its base model, weight
by weight, in fp32 unless --dtype says otherwise."""


def arguments(parser: Arguments) -> None:
    """Options beside --store."""
    parser.add_argument("run", metavar="RUN", help="the run, or the beginning of its name")
    parser.add_argument("stage", metavar="STAGE", help="its number, the task it trained, or last")
    parser.add_argument("--out", type=Path, required=True, help="the folder, empty or not there")
    parser.add_argument("--merged", action="store_true", help="add an adapter to its base model")
    parser.add_argument("--dtype", choices=("fp32", "bf16"), help="stored type (as it is stored)")


def work(store: Store, options: Namespace) -> int:
    """Write it, and say what and where; returns 0."""
    runs = stored_runs(store).runs
    run = runs[find_run(runs, options.run)]
    stage = stage_of(run, options.stage)
    started = time.monotonic()
    done = export(store, run, stage, options.out, options.merged, options.dtype)
    what = "adapter" if done.adapter else "model"
    seconds = time.monotonic() - started
    say(f"stage {stage} of run {run.run} ({run.name}): {what}, {size(done.bytes)}, {seconds:.0f} s")
    say(options.out)
    return 0
