"""Fixed costs: what commands take besides the work, and how that grows with stages and stored runs.

`python scripts/bench_fixed.py [--rounds 3] [--runs 1,10,100] [--stages 8,20,50] [--small]`

Stores are made by real runs, seeds of one tiny configuration of one step and two items, in one
sweep. The first step of an optimizer is seen by a strategy of a user's that notes the time.
"""

import argparse
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import report
from bench.commands import command, harness, heard
from bench.options import parsed, parser_of, run
from bench.rounds import Numbers, medians, note

JOBS = (16, 30)  # of cached sweeps
TINY = ("suite=[]", "train.max_steps=1", "eval.limit=2", "eval.stage0=false", "engine.ranks=1")
ONE_TASK = ("task=[micro_stance]", *TINY)
STRATEGY = '''
import os, time
from dataclasses import dataclass
from harness.methods import Strategy


@dataclass
class FirstStep(Strategy):
    """Notes when the first step was done."""

    def weights(self, stage):
        try:
            with open(os.environ["BENCH_FIRST_STEP"], "x") as stream:
                stream.write(str(time.time()))
        except FileExistsError:
            pass
'''
METHOD = "name: first_step\nschedule: sequential\nfirst:\n  _target_: bench_first_step.FirstStep\n"
SHOWN = ("what", "size", "rounds", "whole_s", "whole_cpu_s", "nodes", "ms_by_node")


def main(argv: list[str]) -> None:
    """Measure, print and write the table."""
    parser = parser_of(__doc__)
    parser.add_argument(
        "--runs", default="1,10,100", help="runs in the store (1,10,100; 500 take half an hour)"
    )
    parser.add_argument("--stages", default="8,20,50", help="tasks of a sequence (8,20,50)")
    asked = parsed(parser, argv, "fixed.csv")
    if asked.small:
        asked.rounds, asked.runs, asked.stages = 1, "1", "3"
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=asked.place) as place:
        for line in measured(asked, Path(place)):
            rows.append(line)
            report.write(asked.out, rows, asked.threads)
    report.show("fixed costs", SHOWN, rows)


def measured(asked: argparse.Namespace, place: Path) -> Iterator[dict[str, Any]]:
    """The rows of the table."""
    yield row("first step", "", [first_step(place, asked.threads) for _ in range(asked.rounds)])
    for count in map(int, asked.stages.split(",")):
        yield planning(count, place, asked)
    done = 0
    for count in map(int, asked.runs.split(",")):
        fill(place, done, count, asked.threads)
        done = count
        words = [*ONE_TASK, "seed=0"]
        yield row("cached run", f"{count} runs in the store", again(words, place, asked))
        for jobs in (jobs for jobs in JOBS if jobs <= count):
            words = ["-m", *ONE_TASK, f"seed={','.join(map(str, range(jobs)))}"]
            yield row(f"cached sweep of {jobs} jobs", f"{count} runs", again(words, place, asked))
        for verb in ("status", "store ls", "store verify"):
            rounds = [looked(verb, place, asked) for _ in range(asked.rounds)]
            yield row(verb, f"{count} runs", rounds)


def first_step(place: Path, threads: int) -> Numbers:
    """From the command to the end of the first optimizer step of the embedded model."""
    (place / "conf" / "method").mkdir(parents=True, exist_ok=True)
    (place / "conf" / "method" / "first_step.yaml").write_text(METHOD)
    (place / "bench_first_step.py").write_text(STRATEGY.lstrip())
    mark, store = place / "first-step", place / "first-store"
    mark.unlink(missing_ok=True)
    shutil.rmtree(store, ignore_errors=True)
    words = ["--config-dir", str(place / "conf"), "method=first_step", *ONE_TASK]
    words.append("code.allow=[bench_first_step]")
    began = time.time()
    command(harness(*words, *_roots(store)), threads, place, BENCH_FIRST_STEP=str(mark))
    return {"whole_s": float(mark.read_text()) - began}


def planning(count: int, place: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """`plan` of so many stages, with nothing in the store."""
    tasks = ("micro_stance", "micro_units")
    names = ",".join(tasks[number % 2] for number in range(count))
    words = ["plan", f"task=[{','.join(tasks)}]", f"sequence.tasks=[{names}]"]
    words += ["sequence.recurrence=true", *TINY]
    rounds, nodes = [], 0
    for number in range(asked.rounds):
        store = place / f"plan-{count}-{number}"
        numbers, told = heard(harness(*words, *_roots(store)), asked.threads, place)
        rounds.append(numbers)
        nodes = nodes_of(told)
        note(f"plan, {count} stages: {rounds[-1]['whole_s']:.1f} s")
    return row("plan, fresh", f"{count} stages", rounds, nodes)


def nodes_of(told: str) -> int:
    """How many nodes `plan` says it has."""
    found = re.search(r"^(\d+) nodes, ", told, re.MULTILINE)
    if found is None:
        raise SystemExit("plan: its output does not say how many nodes there are")
    return int(found[1])


def fill(place: Path, done: int, count: int, threads: int) -> None:
    """Real runs of the seeds from `done` up to `count` into the store, in one sweep."""
    seeds = ",".join(map(str, range(done, count)))
    numbers = command(
        harness("-m", *ONE_TASK, f"seed={seeds}", *_roots(place / "store")), threads, place
    )
    note(f"store with {count} runs made in {numbers['whole_s']:.0f} s")


def again(words: list[str], place: Path, asked: argparse.Namespace) -> list[Numbers]:
    """A command that finds all its work done; ends the program where it did some."""
    rounds = []
    for _ in range(asked.rounds):
        run = harness(*words, *_roots(place / "store"))
        numbers, told = heard(run, asked.threads, place)
        if not nothing_done(told):
            raise SystemExit(f"{' '.join(words)}: was to find all done, but says otherwise")
        rounds.append(numbers)
    return rounds


def looked(verb: str, place: Path, asked: argparse.Namespace) -> Numbers:
    """A look at the whole store."""
    run = harness(*verb.split(), "--store", str(place / "store"))
    return heard(run, asked.threads, place)[0]


def nothing_done(told: str) -> bool:
    """Does a run, or every job of a sweep, say that it trained and scored nothing?"""
    lines = re.findall(r"^trained .*", told, re.MULTILINE)
    return bool(lines) and all(x.startswith("trained 0 stages, scored 0 cells ") for x in lines)


def row(what: str, size: str, rounds: list[Numbers], nodes: int = 0) -> dict[str, Any]:
    """Medians of one line."""
    found = {"what": what, "size": size, "rounds": len(rounds)} | medians(rounds)
    if nodes:
        found |= {"nodes": nodes, "ms_by_node": 1000 * found["whole_cpu_s"] / nodes}
    return found


def _roots(store: Path) -> tuple[str, str]:
    return f"store.root={store}", f"store.results={store}-results"


if __name__ == "__main__":
    run(main)
