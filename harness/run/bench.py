"""Step time and peak memory of every method beside sequential fine-tuning: `make bench-methods`.

A Llama of about 15 million weights is trained on two synthetic tasks, each method in a process of
its own, all methods in turn and that several times, so that a busy machine slows all alike. Step
times are medians over the second task's steps; what a task takes besides its steps (Fisher
passes, cached logits) is told apart. Prints ratios and writes results/bench_methods.csv.
"""

import argparse
import csv
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from harness.config.places import PACKAGE

METHODS = {
    "seqft": [],
    "sfa": ["method=sfa"],
    "ema": ["method=ema"],
    "l2_decoupled": ["method=l2", "method.l2.form=decoupled_after"],
    "hft": ["method=hft"],
    "freeze": ["method=freeze"],
    "ewc": ["method=ewc", "method.ewc.num_samples=8"],
    "agem": ["method=agem"],
    "gem": ["method=gem"],
    "migu": ["method=migu"],
    "ogd": ["method=ogd"],
    "fggm": ["method=fggm"],
    "osft": ["method=osft"],
    "coso": ["method=coso"],
    "refresh": ["method=refresh", "method.refresh.num_samples=8"],
    "lwf": ["method=lwf"],
    "replay": ["method=replay"],
    "der": ["method=der", "method.der.batch_size=8"],
    "kl_initial": ["method=kl_initial"],
    "zscl": ["method=zscl"],
    "gere": ["method=gere"],
    "seekr": ["method=seekr", "method.ratio=0.1", "model.attention=eager"],
    "fpf": ["method=fpf", "method.fpf.steps=4", "method.fpf.batch_size=8"],
    "lora_seqft": ["method=lora_seqft"],
    "lora_stack": ["method=lora_stack"],
    "o_lora": ["method=o_lora"],
    "llrd": ["method=llrd"],
    "cia": ["method=cia"],
    "lora_merge": ["method=lora_merge"],
    "i_lora": ["method=i_lora"],
    "n_lora": ["method=n_lora"],
    "reg_lora": ["method=reg_lora"],
    "inf_lora": ["method=inf_lora"],
}
# Beside what an adapter alone costs.
BASELINE = {
    "o_lora": "lora_stack",
    "n_lora": "lora_stack",
    "i_lora": "lora_seqft",
    "reg_lora": "lora_merge",
    "inf_lora": "lora_merge",
}
ROWS, LENGTH = 96, 192


def main(argv: list[str]) -> int:
    """Measure the methods in turn and report; with `--one`, measure one in this process."""
    parser = argparse.ArgumentParser(prog="bench_methods", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--steps", type=int, default=12, help="optimizer steps per task (12)")
    parser.add_argument("--zero", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("results/bench_methods.csv"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.one:
        measure(json.loads(options.one))
    names = options.methods.split(",")
    with tempfile.TemporaryDirectory() as place:
        prepare(Path(place))
        found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for turn in range(options.rounds):
            for name in names:
                found[name].append(launch(name, Path(place), options))
                print(f"round {turn + 1} of {options.rounds}: {name}", file=sys.stderr)
    report(found, options.out)
    return 0


def prepare(place: Path) -> None:
    """The model and the data of all processes."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(PACKAGE / "data" / "micro" / "model")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=8,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    print(f"{model.num_parameters() / 1e6:.1f} million weights", file=sys.stderr)
    model.save_pretrained(place / "model")
    tokenizer.save_pretrained(place / "model")
    source = random.Random(0)
    for task in ("first", "second"):
        rows = []
        for _ in range(ROWS):
            text = " ".join(str(source.randint(0, 99)) for _ in range(LENGTH // 4))
            rows.append({"prompt": text, "answer": " ".join(reversed(text.split()[:12]))})
        for split in ("train", "eval", "test"):
            (place / "data" / task).mkdir(parents=True, exist_ok=True)
            (place / "data" / task / f"{split}.json").write_text(json.dumps(rows))
    (place / "conf" / "task").mkdir(parents=True)
    for task in ("first", "second"):
        (place / "conf" / "task" / f"{task}.yaml").write_text(
            f"{task}:\n  folder: {task}\n  scorer: exact\n"
            f"  headline: accuracy\n  max_prompt_tokens: {LENGTH}\n  max_answer_tokens: 48\n"
        )


def launch(name: str, place: Path, options: argparse.Namespace) -> dict[str, float]:
    """Measure one method in a fresh process."""
    overrides = [
        f"hydra.searchpath=[file://{place / 'conf'}]",
        "task=[first,second]",
        "suite=[]",
        f"model.path={place / 'model'}",
        f"data.root={place / 'data'}",
        "engine.device=cpu",
        f"engine.zero_stage={options.zero}",
        f"train.max_steps={options.steps}",
        "train.batch_size=8",
        "train.pack_tokens=512",
        *METHODS[name],
    ]
    with tempfile.TemporaryDirectory(dir=place) as out:
        request = json.dumps({"overrides": overrides, "out": out})
        one_rank = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}  # as a launcher would say
        package = {"PYTHONPATH": str(PACKAGE.parent)}
        done = subprocess.run(
            [sys.executable, "-m", "harness.run.bench", "--one", request],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | one_rank | package,
        )
    if done.returncode != 0:
        raise SystemExit(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(request: dict[str, Any]) -> NoReturn:
    """Train both tasks; print the second one's step time, other time and peak memory."""
    from harness.config.compose.compose import load
    from harness.methods.edits.apply import peak_memory
    from harness.train.engine.ranks import leave, start
    from harness.train.job import Part, TrainJob
    from harness.train.stage import train_task

    config, out = load(request["overrides"]), Path(request["out"])
    rank = start(0, 1, "cpu", str(out / "rendezvous"), 5.0, os.cpu_count() or 1)
    parent, earlier = Path(config.model.path), []
    for number, task in enumerate(("first", "second"), start=1):
        folder, data = out / str(number), Path(config.data.root) / task / "train.json"
        folder.mkdir()
        ticks: list[float] = []
        job = TrainJob(
            config=config,
            stage=number,
            task=task,
            parts=[Part(task, data, 1)],
            learning_rate=1e-4,
            parent=parent,
            earlier=list(earlier),
            last=number == 2,
        )
        began = time.perf_counter()
        train_task(job, folder, rank, lambda i, n, t=ticks: t.append(time.perf_counter()))
        whole = time.perf_counter() - began
        parent = folder
        earlier.append((task, data))
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    step = statistics.median(steps)
    print(json.dumps({"step": step, "other": whole - sum(steps), "memory": peak_memory()}))
    leave(rank)


def report(found: dict[str, list[dict[str, float]]], out: Path) -> None:
    """Print and write medians, and ratios to the baseline of each method."""
    middle = {
        name: {key: statistics.median(item[key] for item in items) for key in items[0]}
        for name, items in found.items()
    }
    head = ["method", "beside", "step_ms", "step_ratio", "other_s", "memory_mb", "memory_ratio"]
    lines = [head]
    for name, values in middle.items():
        base = BASELINE.get(name, "seqft")
        other = middle.get(base, values)
        lines.append(
            [
                name,
                base,
                f"{1000 * values['step']:.1f}",
                f"{values['step'] / other['step']:.3f}",
                f"{values['other']:.2f}",
                f"{values['memory'] / 1e6:.0f}",
                f"{values['memory'] / other['memory']:.3f}",
            ]
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as stream:
        csv.writer(stream).writerows(lines)
    for line in lines:
        print("".join(f"{cell:>14}" for cell in line))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
