"""results/soak.md, from what campaigns remember."""

import datetime
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.config.devices import device_name
from harness.store.files import write_atomically
from soaking.blows import Kind
from soaking.effort import Effort
from soaking.places import Place
from soaking.record import Record, Result
from soaking.sweep import Sweep

_TEMPLATE = """\
# Soak

Written by `make soak` on {date} ({machine}, {cores} cores, seed {seed}, {hours:.1f} hours).

    python -m harness -m {words}

with {ranks} ranks, once undisturbed and then started again and again while it was killed and
disturbed, with a store for each ZeRO stage. {verdict}

## What happened

{kills}

By the signal and whom it hit: {signals}.

{others}

{skipped}

## What it cost

{effort}

Steps are of the optimizer, requests those that were put to a model; where a process was killed in
them, the step is not counted and the batch of requests is. `alone` is what the cells of these runs
take where each trains its own model from the beginning and scores it, and `ratio` how often the
work that was done, kills included, goes into that.

{problems}
"""


def write(path: Path, sweep: Sweep, seed: int, records: Sequence[Record]) -> Path:
    """The report of finished campaigns, or of those that there are."""
    results = [record.result for record in records]
    text = _TEMPLATE.format(
        date=datetime.date.today().isoformat(),
        machine=device_name("cpu"),
        cores=len(os.sched_getaffinity(0)),
        seed=seed,
        hours=sum(result.seconds for result in results) / 3600,
        words=" ".join(sweep.words),
        ranks=sweep.ranks,
        verdict=_verdict(results),
        kills=_kills(records),
        signals=_signals(records),
        others=_others(records),
        skipped="\n".join(f"Skipped: {line}" for one in results for line in one.skipped),
        effort=_effort(results),
        problems=_problems(results),
    )
    lines = text.splitlines()
    kept = [line for n, line in enumerate(lines) if line or (n and lines[n - 1])]
    return write_atomically(path, "\n".join(kept).strip() + "\n")


def _verdict(results: Sequence[Result]) -> str:
    files = sum(result.files for result in results)
    if any(result.different for result in results):
        return "**What it made differs from what the undisturbed sweep made** (below)."
    return (
        f"Its tables and all {files} files of its nodes equal those of the undisturbed sweep byte "
        "for byte, apart from measured times and memory."
    )


def _kills(records: Sequence[Record]) -> str:
    def count(record: Record, place: Place) -> int:
        return sum(one.kind is Kind.kill and one.place is place for one in record.happened)

    rows = [[str(place), *(count(record, place) for record in records)] for place in Place]
    return _table("killed", records, rows)


def _others(records: Sequence[Record]) -> str:
    def count(record: Record, kind: Kind) -> int:
        return sum(one.kind is kind for one in record.happened)

    kinds = [kind for kind in Kind if kind is not Kind.kill]
    rows = [[str(kind), *(count(record, kind) for record in records)] for kind in kinds]
    return _table("disturbed", records, rows)


def _table(name: str, records: Sequence[Record], rows: list[list]) -> str:
    """Counts by ZeRO stage, with sums."""
    totals = ["in all", *(sum(column) for column in list(zip(*rows, strict=True))[1:])]
    heads = [name, *(f"ZeRO {record.result.zero}" for record in records), "in all"]
    body = [[*row, sum(row[1:])] for row in [*rows, totals]]
    return _markdown(heads, body)


def _markdown(heads: Sequence[object], body: Sequence[Sequence[object]]) -> str:
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *body]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _signals(records: Sequence[Record]) -> str:
    found = Counter(
        f"{one.signal} to {one.who}"
        for record in records
        for one in record.happened
        if one.kind is Kind.kill
    )
    return ", ".join(f"{name} {times}" for name, times in found.most_common()) or "none"


def _effort(results: Sequence[Result]) -> str:
    rows = [_effort_row(f"ZeRO {result.zero}", result.effort, result) for result in results]
    heads = ["", "sweeps", "commands", "steps needed", "done", "repeated", "alone", "ratio"]
    heads += ["requests needed", "done", "repeated", "alone", "ratio"]
    return _markdown(heads, rows)


def _effort_row(name: str, cost: Effort, result: Result) -> list[object]:
    row: list[object] = [name, result.rounds, result.commands]
    for done, needed, alone in (
        (cost.steps_done, cost.steps_needed, cost.steps_alone),
        (cost.requests_done, cost.requests_needed, cost.requests_alone),
    ):
        row += [needed, done, f"{_share(done - needed, needed):.0%}", alone]
        row += [f"{_share(alone, done):.2f}"]
    return row


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _problems(results: Sequence[Result]) -> str:
    lines = [
        f"- ZeRO {result.zero}: {line}"
        for result in results
        for line in [*result.different, *result.complaints]
    ]
    return "\n".join(["## What should not have been", "", *lines]) if lines else ""
