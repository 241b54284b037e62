"""Memory of training, stage by stage, on ranks as processes on this machine's CPU: what is alive
after a stage, and what loading and exporting take beside the running engine. Between two stages
every rank answers a few prompts with the model that came of the one before.

`python scripts/bench_memory.py --zero 2 [--ranks 2] [--weights 330] [--stages 4]
[--answers 4] [--offload none]`
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.config.places import PACKAGE

HIDDEN, VOCABULARY, TASK = 1024, 32_000, "micro_stance"


class Sampler:
    """Largest anonymous memory of this process (bytes) since `restart`."""

    def __init__(self) -> None:
        self.peak = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while True:
            with self._lock:
                self.peak = max(self.peak, anonymous())
            time.sleep(0.005)

    def restart(self) -> int:
        """The peak so far; counts anew."""
        with self._lock:
            found, self.peak = max(self.peak, anonymous()), anonymous()
        return found


def anonymous() -> int:
    """Anonymous memory of this process in bytes; pages of mapped files are not in it."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if "RssAnon" in line)


def make_model(folder: Path, millions: int) -> None:
    """A random Llama of about so many weights, with the embedded model's tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(PACKAGE / "data" / "micro" / "model")
    block = 4 * HIDDEN**2 + 3 * HIDDEN * 4 * HIDDEN
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=4 * HIDDEN,
        num_hidden_layers=max(1, (millions * 10**6 - 2 * VOCABULARY * HIDDEN) // block),
        num_attention_heads=16,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def rank_main(plan: dict[str, Any]) -> None:
    """One rank: all stages, one after the other; writes what it measured."""
    from harness.config.compose.compose import load
    from harness.train.engine import core
    from harness.train.engine.ranks import leave, start
    from harness.train.job import Part, TrainJob
    from harness.train.stage import train_task

    index, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    rank = start(index, world, "cpu", plan["rendezvous"], 30.0, 1)
    config = load(plan["overrides"])
    config = replace(config, engine=replace(config.engine, zero_stage=plan["zero"]))
    sampler, found, alive = Sampler(), [], []
    _watch(core.Engine, sampler, found, alive)
    parent, work = Path(config.model.path), Path(plan["work"])
    for stage in range(1, plan["stages"] + 1):
        folder = work / str(stage)
        if rank.first:
            folder.mkdir()
        rank.barrier()
        job = TrainJob(
            config, stage, TASK, [Part(TASK, work / "train.json", 1)], 1e-4, parent, [], False
        )
        found.append({"before": anonymous()})
        sampler.restart()
        train_task(job, folder, rank, lambda done, total: None)
        found[-1] |= {"after": anonymous(), "alive": sum(one() is not None for one in alive)}
        rank.barrier()
        if rank.first and stage > 1:
            shutil.rmtree(parent)
        parent = folder
        if plan["answers"]:
            _answer(config, folder, plan["answers"])
        rank.barrier()
    (work / f"found.{index}.json").write_text(json.dumps(found))
    leave(rank)


def _answer(config: Any, folder: Path, count: int) -> None:
    """Score as a rank does: load the stage, answer, let go."""
    from harness.evaluation.evaluator import Evaluator
    from harness.generation.backend import Sampling
    from harness.models.memory import release_memory

    backend = Evaluator(config, folder, "cpu").backend
    answers = backend.generate(
        [[1, 5, 6, 7 + n] for n in range(count)], Sampling(4), lambda n: None
    )
    assert len(answers) == count
    del backend
    release_memory()


def _watch(engine: Any, sampler: Sampler, found: list[dict[str, int]], alive: list[Any]) -> None:
    """Note the peak of loading (up to a running engine), of the steps and of the export."""
    import deepspeed

    begin, write, initialize = engine.__init__, engine.export, deepspeed.initialize

    def initializing(**named: Any) -> Any:
        found[-1] |= {"read": sampler.restart()}
        return initialize(**named)

    def beginning(self: Any, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        alive.extend([weakref.ref(self), weakref.ref(self.deepspeed), weakref.ref(self.module)])
        found[-1] |= {"load": max(found[-1]["read"], sampler.restart()), "weights": _weights(self)}

    def writing(self: Any, folder: Path) -> None:
        found[-1] |= {"steps": sampler.restart(), "held": anonymous()}
        write(self, folder)
        found[-1] |= {"export": sampler.restart()}

    engine.__init__, engine.export, deepspeed.initialize = beginning, writing, initializing


def _weights(engine: Any) -> int:
    return sum(engine.shape(p).numel() for p in engine.module.parameters())


def show(found: list[list[dict[str, int]]]) -> None:
    """A line for every stage and rank."""
    print("stage rank alive  held GB  peak GB  read  load - held  export - held (bytes per weight)")
    for number, stage in enumerate(zip(*found, strict=True), start=1):
        for rank, seen in enumerate(stage):
            peak = _peak(seen)
            read, load, export = (
                (seen[name] - seen[below]) / seen["weights"]
                for name, below in (("read", "before"), ("load", "held"), ("export", "held"))
            )
            print(
                f"{number:5} {rank:4} {seen['alive']:5} {seen['held'] / 1e9:8.2f} "
                f"{peak / 1e9:8.2f} {read:5.2f} {load:12.2f} {export:14.2f}"
            )


def compare(
    found: list[list[dict[str, int]]], overrides: list[str], asked: argparse.Namespace
) -> tuple[float, float]:
    """What `plan` says of the most that a rank holds, and what it held above the interpreter, in
    bytes."""
    from harness.config.compose.compose import load
    from harness.plan.memory.model import model_of
    from harness.plan.memory.training import setting_of, training_memory

    config = load([*overrides, f"engine.zero_stage={asked.zero}"])
    model = model_of(config)
    assert model is not None
    state = training_memory(model, setting_of(config, asked.ranks, cuda=False))
    planned = state.peak + state.offloaded
    seen = max(
        max(stage["load"], stage["steps"]) - stages[0]["before"]
        for stages in found
        for stage in stages
    )
    print(
        f"plan: {planned / 1e9:.2f} GB a rank; held: {seen / 1e9:.2f} above "
        f"{found[0][0]['before'] / 1e9:.2f} of the interpreter ({planned / seen - 1:+.1%})"
    )
    return planned, seen


def note(
    asked: argparse.Namespace, found: list[list[dict[str, int]]], told: tuple[float, float]
) -> None:
    """Add a line to the CSV: the largest of all ranks and stages."""
    from harness.config.devices import device_name

    every = [stage for stages in found for stage in stages]
    weights = every[0]["weights"]

    def above(name: str, below: str) -> str:
        return f"{max(seen[name] - seen[below] for seen in every) / weights:.2f}"

    peaks = [max(_peak(stages[n]) for stages in found) for n in (min(1, asked.stages - 1), -1)]
    row = {
        "machine": device_name("cpu"),
        "zero_stage": asked.zero,
        "offload": asked.offload,
        "precision": asked.precision,
        "ranks": asked.ranks,
        "stages": asked.stages,
        "million_weights": round(weights / 1e6),
        "alive": max(seen["alive"] for seen in every),
        "read_bytes_a_weight": above("read", "before"),
        "load_over_held": above("load", "held"),
        "export_over_held": above("export", "held"),
        "peak_stage_2_gb": f"{peaks[0] / 1e9:.2f}",
        "peak_last_stage_gb": f"{peaks[1] / 1e9:.2f}",
        "planned_gb": f"{told[0] / 1e9:.2f}",
        "held_gb": f"{told[1] / 1e9:.2f}",
    }
    new = not asked.out.exists()
    with asked.out.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def _peak(seen: dict[str, int]) -> int:
    return max(seen["load"], seen["steps"], seen["export"])


_NUMBERS = {"zero": 2, "ranks": 2, "weights": 330, "stages": 4, "answers": 4}


def main(argv: list[str]) -> None:
    """Make model and rows, run the ranks, print what they measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in _NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--offload", default="none")
    parser.add_argument("--out", type=Path, help="a CSV to which a line is added")
    parser.add_argument("overrides", nargs="*", help="further ones, such as method=l2")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        make_model(work / "model", asked.weights)
        rows = [{"prompt": f"say {n}\nAnswer:", "answer": str(n)} for n in range(8)]
        (work / "train.json").write_text(json.dumps(rows))
        (work / "plan.json").write_text(json.dumps(_plan(asked, work)))
        environment = os.environ | {"WORLD_SIZE": str(asked.ranks), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--rank", str(work / "plan.json")]
        ranks = [
            subprocess.Popen(
                command, env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            )
            for rank in range(asked.ranks)
        ]
        if any(process.wait() for process in ranks):
            sys.exit(1)
        found = [json.loads((work / f"found.{r}.json").read_text()) for r in range(asked.ranks)]
        show(found)
        told = compare(found, _plan(asked, work)["overrides"], asked)
    if asked.out is not None:
        note(asked, found, told)


def _plan(asked: argparse.Namespace, work: Path) -> dict[str, Any]:
    overrides = [
        f"model.path={work / 'model'}",
        f"task=[{TASK}]",
        "engine.device=cpu",
        f"engine.precision={asked.precision}",
        f"engine.offload={asked.offload}",
        "train.batch_size=4",
        "train.max_steps=2",
        *asked.overrides,
    ]
    return {
        "overrides": overrides,
        "zero": asked.zero,
        "stages": asked.stages,
        "answers": asked.answers,
        "work": str(work),
        "rendezvous": str(work / "rendezvous"),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rank"]:
        rank_main(json.loads(Path(sys.argv[2]).read_text()))
    else:
        main(sys.argv[1:])
