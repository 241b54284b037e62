"""A rank of the outputs' tests: hidden states and attentions of passes, and gradients through them,
beside transformers alone on one row after the other.

`python outputs_rank.py <plan.json>` with RANK and WORLD_SIZE; every rank writes what it measured.
"""

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from view_rank import each_token, example

from harness.config import EngineConfig, Precision, TrainConfig
from harness.data.batches import pad
from harness.methods import Outputs, Pass
from harness.train.engine.core import Engine
from harness.train.engine.ranks import Rank, leave, start
from harness.train.engine.view import View
from harness.train.passes import Passes

LAYERS, BLOCKS = (0, 1, -1), (0, 1)
INNER = 1  # the hidden states of a loss that no logit enters


class Alone:
    """The model without the harness, and its outputs for one row at a time."""

    def __init__(self, folder: Path) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager"
        )

    def outputs(self, row: Any) -> Any:
        ids = torch.tensor([row.prompt_ids + row.answer_ids])
        return self.model(ids, output_hidden_states=True, output_attentions=True)

    def gradient(self, rows: list[Any]) -> dict[str, torch.Tensor]:
        """Of the mean over answer tokens of the squared inner hidden states."""
        total, count = torch.zeros(()), 0
        for row in rows:
            states = self.outputs(row).hidden_states[INNER][0, answers(row)]
            total = total + states.pow(2).mean(-1).sum()
            count += len(states)
        self.model.zero_grad()
        (total / count).backward()
        named = self.model.named_parameters()
        return {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in named}


def answers(row: Any) -> slice:
    """The places that predict a row's answer tokens."""
    return slice(len(row.prompt_ids) - 1, len(row) - 1)


def seen(made: Pass, alone: Alone, found: dict[str, float]) -> None:
    """Largest differences of one pass; how many rows it had."""
    whole = {layer: made.hidden(layer, whole=True) for layer in LAYERS}
    at = 0
    with torch.no_grad():
        for i, row in enumerate(made.batch.members):
            true = alone.outputs(row)
            here, part = slice(at, at + len(row)), made.parts[i]
            at += len(row)
            for layer in LAYERS:
                states = true.hidden_states[layer][0]
                note(found, "hidden", made.hidden(layer)[part], states[answers(row)])
                note(found, "whole", whole[layer][here], states)
            for block in BLOCKS:
                weights = true.attentions[block][0]
                note(found, "attention", made.attention(block)[i], weights[:, answers(row)])
                note(found, "square", made.attention(block, whole=True)[i], weights)
            found["rows"] = found.get("rows", 0) + 1


def note(found: dict[str, float], name: str, ours: torch.Tensor, true: torch.Tensor) -> None:
    assert ours.shape == true.shape, f"{name}: {ours.shape}, {true.shape}"
    found[name] = max(found.get(name, 0.0), float((ours - true).abs().max()))


def measure(plan: dict[str, Any], zero: int, packed: bool, again: bool, rank: Rank) -> dict:
    """again: recompute activations in the backward pass."""
    folder = Path(plan["model"])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [example(tokenizer, row) for row in plan["rows"]]
    alone = Alone(folder)
    train = TrainConfig(batch_size=3, learning_rate=1e-3, pack_tokens=60, micro_batch_size=2)
    settings = EngineConfig(zero_stage=zero, precision=Precision.fp32, gradient_checkpointing=again)
    engine = Engine(Alone(folder).model.train(), settings, train, rank)
    asked = Outputs(hidden_states=LAYERS, attentions=BLOCKS)
    padded = partial(pad, pad_token_id=tokenizer.eos_token_id)
    passes = Passes(engine, train, each_token, packed, padded, asked)
    view = View(engine, passes.backward, passes.observe)
    found: dict[str, Any] = {}
    view.observe(rows, lambda made: seen(made, alone, found))
    for count in (len(rows), 1):  # of one row, a second rank has none
        inner = view.gradient_of(rows[:count], lambda made: made.hidden(INNER).pow(2).mean(-1))
        true = alone.gradient(rows[:count])
        assert sum(float(g.abs().max()) > 0 for g in true.values()) > 5
        for name in view.shapes:
            note(found, "gradient", view.gather(name, inner), true[name])
    try:
        view.observe(rows[:1], lambda made: made.hidden(2))
        found["refused"] = "not on this rank"
    except RuntimeError as error:
        found["refused"] = str(error)
    engine.destroy()
    return found


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    world, out = int(os.environ["WORLD_SIZE"]), Path(plan["out"])
    rank = start(int(os.environ["RANK"]), world, "cpu", plan["rendezvous"], 1.0, 1)
    for zero, packed, again in plan["cases"]:
        found = measure(plan, zero, packed, again, rank)
        (out / f"{zero}-{packed}-{again}.{rank.index}.json").write_text(json.dumps(found))
    leave(rank)


if __name__ == "__main__":
    main()
