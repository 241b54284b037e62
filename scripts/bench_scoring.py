"""Scoring beside other packages: the same requests, the same model, the answers compared.

`python scripts/bench_scoring.py [--only 'generation;mmlu_4'] [--rounds 3] [--small]`

Suites: greedy generation of TRACE's test prompts, generation behind shared examples, likelihoods
with and without shared examples. Contestants: our backend as runs use it (default settings), stock
lm-eval `hf` at the batch that is its best, and for the prompts of TRACE sorted `generate` of
transformers and TRACE's own protocol (which may generate 512 tokens where the others stop at 128).
The first round finds stock lm-eval's best batch; the further rounds run only that one.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import agreement, report
from bench.answering import CONTESTANTS
from bench.material import MEDIUM, SMALL, TINY, check_data, make_model, prompt_format
from bench.options import add_only, parsed, parser_of, run
from bench.rounds import Numbers, launch, medians, note, tell
from bench.suites import MADE, Source, Suite, missing

BATCHES = "4,8,16,32"
STEPS = 160
TRIAL = ("generation", "choices")
SHOWN = ("contestant", "rounds", "seconds", "cpu_s", "ours_is_x_faster", "by_cpu", "tokens_by_s",
         "slots_by_token", "peak_gb", "useful_share", "whole_s", "unequal", "beyond_tolerance",
         "largest_difference")  # fmt: skip


def main(argv: list[str]) -> None:
    """Measure the suites one after the other; print and write their tables."""
    parser = parser_of(__doc__)
    add_only(parser, MADE)
    parser.add_argument("--batches", default=BATCHES, help=f"of stock lm-eval ({BATCHES})")
    parser.add_argument("--model", type=Path, help="a model's folder, instead of random Llamas")
    parser.add_argument(
        "--model-steps", type=int, default=STEPS, help=f"that teach one to answer ({STEPS})"
    )
    parser.add_argument("--items", type=int, default=64, help="prompts per task to generate for")
    asked = parsed(parser, argv, "scoring.csv", MADE)
    if asked.one:
        return one(json.loads(asked.one))
    check_data(asked.data)
    with tempfile.TemporaryDirectory() as passing:
        place = asked.place or Path(passing)
        rows: list[dict[str, Any]] = []
        for name in chosen(asked):
            rows += suite_rows(name, asked, place)
            report.write(asked.out, rows, asked.threads)
    if not rows:
        sys.exit("nothing was measured: every suite was left out")
    apart = [row for row in rows if row.get("beyond_tolerance", 0) > 0]
    if apart:
        named = ", ".join(f"{row['suite']} by {row['contestant']}" for row in apart)
        sys.exit(f"answers DISAGREE beyond the tolerance: {named}")
    return None


def chosen(asked: argparse.Namespace) -> Iterator[str]:
    """The suites that are asked for and can be asked; says which cannot."""
    every = TRIAL if asked.small else MADE
    for name in asked.only or every:
        why = missing(name, asked.suites)
        if why:
            print(f"{name}: left out, {why}")
        else:
            yield name


def suite_rows(name: str, asked: argparse.Namespace, place: Path) -> list[dict[str, Any]]:
    """The rows of one suite's table, which is printed."""
    folder = model_of(name, asked, place)
    source = Source(prompt_format(folder), asked.data, asked.suites, asked.small, asked.items)
    suite = MADE[name](source)
    path = place / f"{name}.json"
    suite.save(path)
    request = {"model": str(folder), "suite": str(path), "out": str(place / "answers.json")}
    rounds = measured(suite, folder, request, asked)
    rows = [summary(who, seen, rounds["ours"]) for who, seen in rounds.items()]
    report.show(f"{name}: {len(suite.rows)} requests, {folder.name}", SHOWN, rows)
    return [{"suite": name, "requests": len(suite.rows), "model": folder.name, **r} for r in rows]


def model_of(name: str, asked: argparse.Namespace, place: Path) -> Path:
    """Generation needs a model that has learned to end; likelihoods take a larger one."""
    if asked.model is not None:
        return asked.model.absolute()
    if asked.small:
        return make_model(place, "tiny", asked.data, TINY)
    if name in ("generation", "in_context", "gsm8k", "bbh"):
        name = f"small-{asked.model_steps}-steps"
        return make_model(place, name, asked.data, SMALL, asked.model_steps)
    return make_model(place, "medium", asked.data, MEDIUM)


def measured(
    suite: Suite, folder: Path, request: dict[str, Any], asked: argparse.Namespace
) -> dict[str, list[Numbers]]:
    """Contestant -> its rounds, in turn; every answer is compared with ours."""
    found: dict[str, list[Numbers]] = {}
    mine: dict[str, Any] = {}
    names = contestants(suite, "8" if asked.small else asked.batches)
    for number in range(asked.rounds):
        for who, batch in names:
            label = who if batch is None else f"{who} {batch}"
            numbers = launch(__file__, request | {"who": who, "batch": batch}, asked.threads)
            given = json.loads(Path(request["out"]).read_text())
            mine = given if who == "ours" else mine
            tokens = suite_tokens(suite, folder, mine)
            numbers |= {"tokens_by_s": tokens / numbers["seconds"]}
            numbers["slots_by_token"] = numbers.pop("slots") / tokens
            numbers |= compared(suite, folder, mine, given, label if not number else "")
            found.setdefault(label, []).append(numbers)
            note(f"{suite.name}, round {number + 1}: {label} {numbers['cpu_s']:.1f} CPU s")
        if not number:
            names = without_slow_batches(names, found)
    return found


def contestants(suite: Suite, batches: str) -> list[tuple[str, int | None]]:
    """Who takes part, and with which batch."""
    names: list[tuple[str, int | None]] = [
        ("ours", None),
        *(("stock", int(b)) for b in batches.split(",")),
    ]
    if suite.name == "generation":
        names += [("hf_generate", None), ("trace_protocol", None)]
    return names


def without_slow_batches(
    names: list[tuple[str, int | None]], found: dict[str, list[Numbers]]
) -> list[tuple[str, int | None]]:
    """Of stock lm-eval only the batch that took the least."""
    stock = {b: found[f"stock {b}"][0]["cpu_s"] for who, b in names if who == "stock"}
    best = min(stock, key=lambda batch: stock[batch])
    return [(who, batch) for who, batch in names if who != "stock" or batch == best]


def suite_tokens(suite: Suite, folder: Path, mine: dict[str, Any]) -> int:
    """Tokens of all requests taken one by one, and of our answers to them."""
    tokenizer = prompt_format(folder).tokenizer
    texts = [prompt + continuation for prompt, continuation in suite.rows]
    return sum(map(len, tokenizer(texts)["input_ids"])) + sum(map(len, mine["ids"]))


def compared(
    suite: Suite, folder: Path, mine: dict[str, Any], given: dict[str, Any], label: str
) -> dict[str, float]:
    """How far answers are from ours; with a label, the differences are printed."""
    if given is mine:
        return {}
    result = agreement.compare(suite, folder, mine, given)
    lines = result.pop("differences")
    if label:
        print(f"{suite.name}: {label} against ours: {result}")
        for line in lines[:40]:
            print(f"  {line}")
        if len(lines) > 40:
            print(f"  and {len(lines) - 40} more")
    return result


def summary(who: str, rounds: list[Numbers], ours: list[Numbers]) -> dict[str, Any]:
    """Medians of a contestant, and of its ratios to ours in the same round."""
    pairs = list(zip(rounds, ours, strict=False))
    ratios = medians(
        {"x": a["seconds"] / b["seconds"], "cpu": a["cpu_s"] / b["cpu_s"]} for a, b in pairs
    )
    middle = medians(rounds)
    if "beyond_tolerance" in middle:
        middle["beyond_tolerance"] = max(one["beyond_tolerance"] for one in rounds)
    return {"contestant": who, "rounds": len(rounds)} | middle | {
        "ours_is_x_faster": ratios["x"],
        "by_cpu": ratios["cpu"],
    }  # fmt: skip


def one(request: dict[str, Any]) -> None:
    """Be one contestant."""
    suite = Suite.load(Path(request["suite"]))
    given = CONTESTANTS[request["who"]](suite, Path(request["model"]), request["batch"])
    content = {"answers": given.answers, "ids": given.ids}
    Path(request["out"]).write_text(json.dumps(content))
    tell(given.watch, slots=given.slots)


if __name__ == "__main__":
    run(main)
