"""Training beside other packages: one model, the same token ids in the same batches of eight, the
losses of every step compared.

`python scripts/bench_training.py [--steps 3] [--rows 200] [--rounds 3] [--small]`
`python scripts/bench_training.py --mfu [--billions 7]` (needs a GPU)

Batches are drawn within each task in two ways: at random, and grouped by length as transformers'
sampler does; of each task so many are trained, evenly spread over the epoch. Contestants: our
package with its default settings on both, Trainer on both, and TRL's SFTTrainer packed (`bfd`),
padding-free, and one row at a time.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import report
from bench.material import (
    MEDIUM,
    TINY,
    check_data,
    encoded,
    make_model,
    prompt_format,
    task_rows,
)
from bench.options import add_only, parsed, parser_of, run
from bench.rounds import Numbers, lacking, launch, medians, note, tell
from bench.training import BATCH, CONTESTANTS, write_ours

# Contestant -> whose code it is, how its batches are drawn, the package it needs.
LINES = {
    "ours": ("ours", "random", "torch"),
    "ours, grouped batches": ("ours", "grouped", "torch"),
    "Trainer": ("trainer", "random", "accelerate"),
    "Trainer, grouped": ("trainer", "grouped", "accelerate"),
    "TRL bfd": ("trl_bfd", "random", "trl"),
    "TRL padding-free": ("trl_padding_free", "random", "trl"),
    "TRL batch 1, accumulated": ("trl_accumulate", "random", "trl"),
}
REFERENCE = {"random": "ours", "grouped": "ours, grouped batches"}
EQUAL = 1e-4  # between losses of one step
SHOWN = ("contestant", "rounds", "seconds", "cpu_s", "ours_is_x_faster", "by_cpu", "tokens_by_s",
         "padding", "peak_gb", "our_memory", "useful_share", "whole_s", "whole_cpu_s",
         "largest_loss_difference")  # fmt: skip


def main(argv: list[str]) -> None:
    """Measure the contestants in turn; print and write their table."""
    parser = parser_of(__doc__)
    add_only(parser, LINES)
    parser.add_argument("--steps", type=int, default=3, help="steps per task (3)")
    parser.add_argument("--rows", type=int, default=200, help="rows per task (200)")
    parser.add_argument(
        "--mfu", action="store_true", help="the share of a GPU's peak that we reach"
    )
    parser.add_argument("--billions", type=float, default=7.0, help="weights of --mfu's model (7)")
    asked = parsed(parser, argv, "training.csv", LINES)
    if asked.one:
        return one(json.loads(asked.one))
    if asked.rows < BATCH:
        raise SystemExit(f"--rows={asked.rows}: at least {BATCH}, a batch of every task")
    check_data(asked.data)
    if asked.mfu:
        from bench.mfu import measure

        return measure(asked, __file__)
    with tempfile.TemporaryDirectory() as passing:
        agree = True
        for found, title in measured(asked, asked.place or Path(passing)):
            agree = report_rounds(found, title, asked)
    if not agree:
        sys.exit(1)
    return None


def measured(
    asked: argparse.Namespace, place: Path
) -> Iterator[tuple[dict[str, list[Numbers]], str]]:
    """After every round: contestant -> its rounds so far; and a line that says what was trained."""
    if asked.small:
        asked.rows, asked.steps = 24, 1
    sizes = TINY if asked.small else MEDIUM
    folder = make_model(place, "tiny" if asked.small else "medium", asked.data, sizes)
    requests = {way: request_of(way, asked, folder, place / f"training-{way}") for way in REFERENCE}
    steps, tokens = len(requests["random"]["batches"]), useful_tokens(requests["random"])
    title = f"{folder.name}: {steps} steps of {BATCH} rows, {tokens} tokens"
    found: dict[str, list[Numbers]] = {}
    for number in range(asked.rounds):
        for name, (who, way, package) in LINES.items():
            why = lacking(package)
            if why is None and taking_part(name, asked):
                found.setdefault(name, []).append(turn(who, requests[way], asked.threads))
                note(f"round {number + 1}: {name} {found[name][-1]['cpu_s']:.1f} CPU s")
            elif why and not number:
                print(f"{name}: left out, {why}")
        yield found, title


def taking_part(name: str, asked: argparse.Namespace) -> bool:
    """A trial leaves out what differs in its batches alone; what others are compared with is always
    there."""
    if asked.only:
        compared_with = {REFERENCE[LINES[one][1]] for one in asked.only}
        return name in {"ours", *asked.only, *compared_with}
    return not asked.small or name in ("ours", "Trainer", "TRL bfd", "TRL batch 1, accumulated")


def request_of(way: str, asked: argparse.Namespace, folder: Path, place: Path) -> dict[str, Any]:
    """What every contestant with these batches is asked: ids for the others, rows for us."""
    rows = task_rows(asked.data, "train", asked.rows)
    every = [row for some in rows.values() for row in some]
    examples = encoded(prompt_format(folder), rows)
    batches = drawn([len(some) for some in rows.values()], list(map(len, examples)), way, asked)
    chosen = [index for batch in batches for index in batch]
    write_ours(place, [every[index] for index in chosen])
    return {
        "model": str(folder),
        "place": str(place),
        "device": "cpu",
        "overrides": ["engine.device=cpu"],
        "examples": [(examples[index].prompt_ids, examples[index].answer_ids) for index in chosen],
        "batches": [list(range(at, at + BATCH)) for at in range(0, len(chosen), BATCH)],
    }


def drawn(
    counts: Sequence[int], lengths: Sequence[int], way: str, asked: argparse.Namespace
) -> list[list[int]]:
    """Of every task's whole batches of one epoch as many as `steps` says, evenly spread."""
    import torch
    from transformers.trainer_pt_utils import get_length_grouped_indices

    found, first = [], 0
    for task, count in enumerate(counts):
        if way == "grouped":
            seed = torch.Generator().manual_seed(task)
            own = lengths[first : first + count]
            order = get_length_grouped_indices(own, BATCH, generator=seed)
        else:
            order = random.Random(task).sample(range(count), count)
        whole = [order[at : at + BATCH] for at in range(0, count - BATCH + 1, BATCH)]
        picked = [len(whole) * (2 * k + 1) // (2 * asked.steps) for k in range(asked.steps)]
        found += [[first + index for index in whole[k]] for k in picked]
        first += count
    return found


def useful_tokens(request: dict[str, Any]) -> int:
    return sum(len(prompt) + len(answer) for prompt, answer in request["examples"])


def turn(who: str, request: dict[str, Any], threads: int) -> Numbers:
    """One contestant, once; the request is a file, since it is long."""
    with tempfile.TemporaryDirectory() as out:
        path = Path(out) / "request.json"
        path.write_text(json.dumps(request | {"who": who, "out": out}))
        numbers = launch(__file__, {"file": str(path)}, threads)
    tokens = useful_tokens(request)
    return numbers | {
        "tokens_by_s": tokens / numbers["seconds"],
        "tokens_by_cpu_s": tokens / numbers["cpu_s"],
        "padding": 1 - tokens / numbers["slots"],
    }


def report_rounds(found: dict[str, list[Numbers]], title: str, asked: argparse.Namespace) -> bool:
    """Print and write medians, and ratios to ours on random batches in the same round, by useful
    tokens; losses are compared with ours on the same batches. Are they equal?"""
    rows = []
    for name, rounds in found.items():
        mine = found["ours"]
        each = [_ratios(a, b) for a, b in zip(rounds, mine, strict=True)]
        reference = found[REFERENCE[LINES[name][1]]]
        both = zip(rounds, reference, strict=True)
        apart = max(_apart(a["losses"], b["losses"]) for a, b in both)
        row = {"contestant": name, "rounds": len(rounds)} | medians(rounds) | medians(each)
        rows.append(row | {"largest_loss_difference": apart, "losses_agree": apart <= EQUAL})
    report.show(title, SHOWN, rows)
    agree = all(row["losses_agree"] for row in rows)
    print("losses agree" if agree else "losses DISAGREE")
    report.write(asked.out, [{"what": title} | row for row in rows], asked.threads)
    return agree


def _ratios(other: Numbers, mine: Numbers) -> Numbers:
    return {
        "ours_is_x_faster": mine["tokens_by_s"] / other["tokens_by_s"],
        "by_cpu": mine["tokens_by_cpu_s"] / other["tokens_by_cpu_s"],
        "our_memory": mine["peak_gb"] / other["peak_gb"],
        "our_whole_command": mine["whole_cpu_s"] / other["whole_cpu_s"],
    }


def _apart(losses: Any, others: Any) -> float:
    return max(abs(a - b) for a, b in zip(losses, others, strict=True))


def one(request: dict[str, str]) -> None:
    """Be one contestant."""
    asked = json.loads(Path(request["file"]).read_text())
    made = CONTESTANTS[asked["who"]](asked)
    tell(made.watch, slots=made.slots, losses=made.losses)


if __name__ == "__main__":
    run(main)
