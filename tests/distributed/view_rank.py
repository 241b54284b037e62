"""A rank of the view's tests: measures what the view does at every ZeRO stage and writes it down.

`python view_rank.py <plan.json>` with RANK and WORLD_SIZE; rank 0 writes <out>/<stage>.json.
"""

import hashlib
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from plain import EPS, Run
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.config import EngineConfig, Packing, Precision, TrainConfig
from harness.data.batches import pack, pad
from harness.data.encoding import Example
from harness.methods.shared.subspace import Matrices
from harness.train.engine.core import Engine
from harness.train.engine.ranks import Rank, leave, start
from harness.train.engine.sharded_file import SavedState, save_state
from harness.train.engine.view import View
from harness.train.passes import Passes

MATRIX = "model.layers.1.mlp.down_proj.weight"  # partitioned at ZeRO 3
SMALL = "model.layers.0.self_attn.k_proj.weight"  # kept whole at ZeRO 3
TRAIN = TrainConfig(batch_size=5, learning_rate=1e-3, eps=EPS, pack_tokens=60, packing=Packing.auto)


class Bench:
    """One engine on the tiny model, with five examples; `dropout` in attention."""

    def __init__(self, plan: dict, zero: int, precision: str, rank: Rank, dropout: float = 0.0):
        self.folder, self.rank = Path(plan["model"]), rank
        self.rows = plan["rows"]
        tokenizer = AutoTokenizer.from_pretrained(self.folder)
        self.examples = [example(tokenizer, row) for row in self.rows]
        model = AutoModelForCausalLM.from_pretrained(
            self.folder, dtype=torch.float32, attention_dropout=dropout
        )
        settings = EngineConfig(zero_stage=zero, precision=Precision(precision))
        self.engine = Engine(model.train(), settings, TRAIN, rank)
        objective = each_token
        self.passes = Passes(self.engine, TRAIN, objective, True, partial(pad, pad_token_id=0))
        self.view = View(self.engine, self.passes.backward)

    def masters(self) -> dict[str, torch.Tensor]:
        return {name: self.view.gather(name) for name in self.view.shapes}

    def logits(self) -> torch.Tensor:
        with torch.no_grad():
            return self.engine.forward(**pack(self.examples[:2]).inputs).logits[0].float()


def example(tokenizer: Any, row: dict[str, str]) -> Example:
    answer = tokenizer(row["answer"], add_special_tokens=False)["input_ids"]
    return Example(tokenizer(row["prompt"])["input_ids"], [*answer, tokenizer.eos_token_id])


def each_token(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits.float(), targets, reduction="none")


def _largest(left: dict, right: dict) -> float:
    return max(float((left[name] - right[name]).abs().max()) for name in right)


def weights(bench: Bench, found: dict, out: Path) -> None:
    """Reading, writing, gathering, saving."""
    view, start_weights = bench.view, Run(bench.folder, None).copy()
    found["masters"] = _largest(bench.masters(), start_weights)
    view.update_weights(lambda s: s.weight * 1.5 if s.name in (MATRIX, SMALL) else None)
    view.update_matrices(lambda name, w: w - w.mean(0) if name == MATRIX else None)
    plain = Run(bench.folder, None)
    with torch.no_grad():
        for name in (MATRIX, SMALL):
            plain.params[name] *= 1.5
        plain.params[MATRIX] -= plain.params[MATRIX].mean(0)
    found["written"] = _largest(bench.masters(), plain.params)
    if bench.engine.deepspeed.bfloat16_enabled():
        plain.model.bfloat16()
    with torch.no_grad():
        wanted = plain.model(**pack(bench.examples[:2]).inputs).logits[0].float()
    found["forward"] = float((bench.logits() - wanted).abs().max())
    rows, columns = torch.arange(64.0), torch.arange(192.0)
    spread = view.gather(
        MATRIX, {s.name: s.by_row(rows) for s in view.shards() if s.name == MATRIX}
    )
    found["by_row"] = bool((spread == rows[:, None]).all())
    spread = {s.name: s.by_column(columns) for s in view.shards() if s.name == MATRIX}
    found["by_column"] = bool((view.gather(MATRIX, spread) == columns).all())
    sharded = view.weights()
    exact = sum(float((p.detach().double() ** 2).sum()) for p in plain.params.values())
    found["dot"] = abs(view.dot(sharded, sharded) - exact) / exact
    table = torch.arange(6.0).view(2, 3)
    mine = table.T.contiguous().T if view.first_rank else table  # as it lies in memory
    found["summed"] = torch.equal(view.sum_over_ranks(mine), bench.rank.world * table)
    matrices = Matrices(view, [SMALL, MATRIX])
    doubled = matrices.changed(lambda s: s.weight, lambda name, m: (2 * m.T).contiguous().T)
    found["matrices"] = all(torch.equal(piece, 2 * sharded[n]) for n, piece in doubled.items())
    save_state(out, {"a": sharded, "b": torch.arange(3)}, view)
    bench.rank.barrier()
    found["file"] = hashlib.sha256(out.read_bytes()).hexdigest()
    read = SavedState(out).sharded("a", view)
    found["read"] = all(bool((read[name] == piece).all()) for name, piece in sharded.items())
    found["read"] &= SavedState(out).tensor("b").tolist() == [0, 1, 2]


def gradients(bench: Bench, found: dict) -> None:
    """Reading and editing between backward and step; refused elsewhere."""
    view = bench.view
    for misuse in (view.gradients, lambda: view.update_gradients(lambda s: s.grad)):
        try:
            misuse()
            found["refused"] = not list(view.shards())  # without shards there is nothing to read
        except RuntimeError:
            found["refused"] = True
    bench.passes.backward(bench.examples)
    with view.gradients_open():
        exact = Run(bench.folder, None).gradient(bench.rows)
        read = {name: view.gather(name, view.gradients()) for name in view.shapes}
        found["gradient"] = _largest(read, exact)
        other = {s.name: torch.ones(len(s)) for s in view.shards()}
        told = torch.tensor(view.products([other]), dtype=torch.float64)
        flat = torch.cat([exact[name].double().flatten() for name in view.shapes])
        both = torch.stack([flat, torch.ones_like(flat)])
        lengths = both.norm(dim=1)
        found["products"] = float(
            ((told - both @ both.T) / torch.outer(lengths, lengths)).abs().max()
        )
        little = {name: piece * (1 + 2**-12) for name, piece in view.gradients().items()}
        view.update_gradients(lambda s: little[s.name])
        now = view.gradients()
        found["little"] = all(bool((now[name] == piece).all()) for name, piece in little.items())
        view.update_gradients(lambda s: s.grad * (0.0 if s.name == MATRIX else 1000.0))
    before = bench.masters()
    bench.engine.step(1e-3)
    after = bench.masters()
    found["frozen"] = bool((after[MATRIX] == before[MATRIX]).all())
    found["moved"] = float((after[SMALL] - before[SMALL]).abs().max())
    del exact[MATRIX]
    norm = 1000 * (1 + 2**-12) * sum(float((g.double() ** 2).sum()) for g in exact.values()) ** 0.5
    found["norm"] = abs(bench.engine.grad_norm() - norm) / norm


def train(bench: Bench, extra: bool) -> dict[str, torch.Tensor]:
    """Three steps under dropout; with `extra` passes in every possible place."""
    torch.manual_seed(7 + bench.rank.index)
    for _ in range(3):
        if extra:
            bench.view.gradient_of(bench.examples[:1])
        bench.passes.backward(bench.examples)
        if extra:
            with bench.view.gradients_open():
                bench.view.gradient_of(bench.examples[3:])
        bench.engine.step(1e-3)
    return bench.masters()


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    world, out = int(os.environ["WORLD_SIZE"]), Path(plan["out"])
    rank = start(int(os.environ["RANK"]), world, "cpu", plan["rendezvous"], 1.0, 1)
    for precision, zero in plan["stages"]:
        found: dict[str, Any] = {}
        name = f"{precision}-zero{zero}"
        bench = Bench(plan, zero, precision, rank)
        weights(bench, found, out / f"{name}.bin")
        bench.engine.destroy()
        bench = Bench(plan, zero, precision, rank)
        gradients(bench, found)
        bench.engine.destroy()
        finals = []
        for extra in (False, True):
            bench = Bench(plan, zero, precision, rank, dropout=0.3)
            finals.append(train(bench, extra))
            bench.engine.destroy()
        found["undisturbed"] = _largest(*finals)
        (out / f"{name}.{rank.index}.json").write_text(json.dumps(found))
    leave(rank)


if __name__ == "__main__":
    main()
