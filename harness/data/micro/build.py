"""Rebuild the embedded default: `python scripts/build_micro.py [--out DIR] [--only data|model]`."""

import argparse
import time
from collections import Counter
from pathlib import Path

from harness.data.micro import ROOT
from harness.data.micro.catalogue import PROBES, TASKS, general_rows, probe_rows, task_splits
from harness.data.micro.rows import Row, write_rows
from harness.store.folders import appearing

REPLAY_FILE = "replay/general.json"


def table_line(name: str, space: int, splits: dict[str, list[Row]]) -> str:
    """Space, duplicates inside and across splits, and the score of the best constant answer."""
    prompts = [row["prompt"] for rows in splits.values() for row in rows]
    scored = splits["test"]
    # the science task is scored by its letter, whatever reason follows
    answers = (row["answer"].partition("\n")[0] for row in scored)
    constant, count = Counter(answers).most_common(1)[0]
    twice = len(prompts) - len(set(prompts))
    return (
        f"{name:17} {space:>16,} {space // len(prompts):>10,}x {twice:>4}"
        f" {count / len(scored):>8.2f}  {constant[:40]!r}"
    )


def build_data(out: Path) -> None:
    print(f"{'name':17} {'space':>16} {'of items':>11} {'dup.':>4} {'constant':>8}  answer")
    for task in TASKS:
        splits = task_splits(task)
        for split, rows in splits.items():
            write_rows(out / "data" / task.name / f"{split}.json", rows)
        print(table_line(task.name, task.space, splits))
    for probe in PROBES:
        rows = probe_rows(probe)
        write_rows(out / "data" / "probes" / probe.name / "test.json", rows)
        print(table_line(probe.name, probe.space, {"test": rows}))

    write_rows(out / "data" / REPLAY_FILE, general_rows())


def build_model(out: Path, steps: int | None) -> None:
    """Tokenizer and pretrained weights, in a folder that appears whole or not at all."""
    # torch takes a second to import and the data does not need it
    from transformers import GenerationConfig

    from harness.data.micro.pretrain import STEPS, pretrain
    from harness.data.micro.tokenizer import build_tokenizer

    tokenizer = build_tokenizer()
    print(f"tokenizer: {len(tokenizer)} pieces")
    model, _ = pretrain(tokenizer, STEPS if steps is None else steps)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    with appearing(out / "model") as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    size = sum(path.stat().st_size for path in (out / "model").iterdir())
    print(f"model: {model.num_parameters():,} parameters, {size / 1e6:.2f} MB on disk")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Rebuild the micro tasks, probes and model.")
    parser.add_argument("--out", type=Path, default=ROOT, help="where data/ and model/ go")
    parser.add_argument("--only", choices=["data", "model"], help="build one half")
    parser.add_argument("--steps", type=int, help="pretraining steps")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    if options.only != "model":
        build_data(options.out)
    if options.only != "data":
        build_model(options.out, options.steps)
    print(f"built in {time.monotonic() - began:.0f} s: {options.out}")
